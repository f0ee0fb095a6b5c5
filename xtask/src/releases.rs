//! Releases, and how the previous one is built again: from this repository's own history, for `cargo xtask test --upgrade`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use xtask::bpf;

use crate::run::{announce, binaries, cargo, run};

/// A version that people have.
#[derive(Debug)]
pub(crate) struct Release {
    /// As packages call it.
    pub(crate) version: &'static str,
    /// What it was made of.
    commit: &'static str,
}

/// Every release, the latest last: whoever makes one adds it. Before the first one, a state of the program that was in use.
const RELEASES: &[Release] = &[Release {
    version: "0.1.0-safe",
    commit: "ba80815",
}];

/// The release from which people come to what is here.
pub(crate) fn previous() -> Result<&'static Release> {
    RELEASES.last().context("there is no release yet")
}

impl Release {
    /// Builds its agent, unless that was done before, and tells where it is: target/releases/VERSION/agent.
    ///
    /// What it shares with this version is compiled already, so it uses the same target directory; the agent of this version is to be
    /// built after it.
    ///
    /// # Errors
    ///
    /// Its commit is not in this clone (one without history has none), or it does not build.
    pub(crate) fn build(&self) -> Result<PathBuf> {
        let target = binaries("")?;
        let directory = target.join("releases").join(self.version);
        let agent = directory.join("agent");
        let made_of = directory.join("commit");
        if agent.is_file() && fs::read_to_string(&made_of).is_ok_and(|commit| commit == self.commit) {
            return Ok(agent);
        }
        announce(&format!("the agent of {} ({})", self.version, self.commit));
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let source = directory.join("source");
        self.check_out(&source)?;
        run(cargo().current_dir(&source).env("CARGO_TARGET_DIR", &target).args([
            "build",
            "--locked",
            "--package",
            "agent",
            "--bin",
            "agent",
        ]))?;
        let built = binaries("debug")?.join("agent");
        fs::copy(&built, &agent).with_context(|| format!("cannot copy {}", built.display()))?;
        fs::write(&made_of, self.commit).with_context(|| format!("cannot write {}", made_of.display()))?;
        fs::remove_dir_all(&source).with_context(|| format!("cannot remove {}", source.display()))?;
        Ok(agent)
    }

    /// Its files alone: no work tree that git would have to be told of.
    fn check_out(&self, source: &Path) -> Result<()> {
        if source.exists() {
            fs::remove_dir_all(source).with_context(|| format!("cannot remove {}", source.display()))?;
        }
        fs::create_dir_all(source).with_context(|| format!("cannot make {}", source.display()))?;
        let archive = source.join("source.tar");
        let root = bpf::workspace_root();
        run(Command::new("git")
            .current_dir(&root)
            .args(["archive", "--format=tar", "--output"])
            .arg(&archive)
            .arg(self.commit))
        .with_context(|| {
            format!(
                "{} ({}) is not in this clone: `git fetch --unshallow` brings its history",
                self.version, self.commit
            )
        })?;
        run(Command::new("tar")
            .arg("--extract")
            .arg("--file")
            .arg(&archive)
            .arg("--directory")
            .arg(source))
    }
}
