//! The agent twice: with the libraries of the system for the Debian package, and without any for the archive.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use xtask::bpf::{self, Task, Toolchain};

use super::place::{Place, copy};
use crate::{
    build,
    run::{announce, cargo, run},
};

/// Separates flags in CARGO_ENCODED_RUSTFLAGS.
const SEPARATOR: &str = "\x1f";

/// How the agent is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Optimisation {
    Debug,
    Release,
}

impl Optimisation {
    const fn directory(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }

    /// Cargo, with flags that keep the paths of this machine out of what users get. The unoptimised build does without, so that it shares what is compiled already.
    fn compiler(self, place: &Place) -> Command {
        let mut command = cargo();
        if self == Self::Release {
            command.env("CARGO_ENCODED_RUSTFLAGS", bpf::path_flags(&place.root).join(SEPARATOR));
        }
        command
    }

    fn set(self, command: &mut Command) {
        if self == Self::Release {
            command.arg("--release");
        }
    }
}

/// What was compiled.
#[derive(Debug)]
pub(super) struct Binaries {
    /// For the Debian package: uses the system's libraries.
    pub(super) dynamic: PathBuf,
    /// For the archive: needs none.
    pub(super) fixed: PathBuf,
}

impl Binaries {
    /// Compiles both. Everything but the last link step is the same for both.
    ///
    /// # Errors
    ///
    /// When one of them does not build.
    pub(super) fn compile(toolchain: &Toolchain, place: &Place, optimisation: Optimisation) -> Result<Self> {
        build::programs(toolchain, Task::Build)?;
        let built = place.target.join(optimisation.directory()).join("agent");
        let binaries = Self {
            dynamic: place.work.join("agent-dynamic"),
            fixed: place.work.join("agent-static"),
        };
        announce("agent for the Debian package");
        let mut command = optimisation.compiler(place);
        command.args(["build", "--package", "agent", "--bin", "agent"]);
        optimisation.set(&mut command);
        run(&mut command)?;
        copy(&built, &binaries.dynamic, 0o755)?;
        announce("agent for the archive, with everything in it");
        // Only the last crate is told: that is where rustc decides how to link. Its `main` also sees it by `cfg` and keeps
        // to the name services that are built into the C library.
        let mut command = optimisation.compiler(place);
        command.args(["rustc", "--package", "agent", "--bin", "agent"]);
        optimisation.set(&mut command);
        command.args(["--", "-C", "target-feature=+crt-static"]);
        run(&mut command)?;
        copy(&built, &binaries.fixed, 0o755)?;
        for binary in [&binaries.dynamic, &binaries.fixed] {
            no_fail_points(binary)?;
        }
        Ok(binaries)
    }
}

/// What every agent says that was built with the feature `fail-points`: see agent/src/failpoint.rs.
const FAIL_POINTS: &str = "levee: fail-points are compiled in";

/// No user gets an agent that the environment can end.
fn no_fail_points(binary: &Path) -> Result<()> {
    let bytes = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    ensure!(
        !has_fail_points(&bytes),
        "{} was built with the feature `fail-points`: nothing in the workspace may enable it for a package",
        binary.display()
    );
    Ok(())
}

fn has_fail_points(binary: &[u8]) -> bool {
    binary
        .windows(FAIL_POINTS.len())
        .any(|window| window == FAIL_POINTS.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> String {
        fs::read_to_string(bpf::workspace_root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[test]
    fn an_agent_with_fail_points_is_recognised() {
        let source = file("agent/src/failpoint.rs");
        assert!(
            has_fail_points(source.as_bytes()),
            "the mark is what such an agent says"
        );
        assert!(!has_fail_points(b"an agent"));
    }

    #[test]
    fn nothing_enables_fail_points_by_itself() {
        for manifest in ["Cargo.toml", "agent/Cargo.toml", "tests/Cargo.toml", "xtask/Cargo.toml"] {
            let text = file(manifest);
            let enabling = text
                .lines()
                .filter(|line| line.contains("fail-points") && !line.starts_with('#'));
            let expected: &[&str] = match manifest {
                "agent/Cargo.toml" => &["fail-points = [\"dep:fail\"]"],
                _ => &[],
            };
            assert_eq!(enabling.collect::<Vec<_>>(), expected, "{manifest}");
            assert!(!text.lines().any(|line| line.starts_with("default = ")), "{manifest}");
        }
    }
}
