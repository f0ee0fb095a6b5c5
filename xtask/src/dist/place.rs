//! Where sources and results are, and what time it is for everything that is packed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use xtask::bpf;

use crate::run::binaries;

/// The places of one run.
#[derive(Debug)]
pub(super) struct Place {
    /// The root of the workspace.
    pub(super) root: PathBuf,
    /// Cargo's target directory.
    pub(super) target: PathBuf,
    /// `target/dist`, with the packages.
    pub(super) output: PathBuf,
    /// Where they are put together.
    pub(super) work: PathBuf,
    /// Seconds since 1970 that every packed file bears.
    pub(super) epoch: u64,
}

impl Place {
    /// # Errors
    ///
    /// When not run by cargo, or when there is neither SOURCE_DATE_EPOCH nor a commit to take the time from.
    pub(super) fn find() -> Result<Self> {
        let root = bpf::workspace_root();
        let target = binaries("")?;
        let output = target.join("dist");
        let work = output.join("work");
        fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        Ok(Self {
            epoch: epoch(&root)?,
            root,
            target,
            output,
            work,
        })
    }

    /// The version of what is packed.
    pub(super) const fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// A new empty directory for one step.
    ///
    /// # Errors
    ///
    /// When what an earlier run left there cannot be replaced.
    pub(super) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let directory = self.work.join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory).with_context(|| format!("cannot remove {}", directory.display()))?;
        }
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(directory)
    }
}

/// <https://reproducible-builds.org/specs/source-date-epoch/>, or the time of the last commit.
fn epoch(root: &Path) -> Result<u64> {
    if let Ok(text) = env::var("SOURCE_DATE_EPOCH") {
        return text
            .parse()
            .with_context(|| format!("SOURCE_DATE_EPOCH={text}: seconds since 1970 are wanted"));
    }
    let output = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(root)
        .output()
        .context("cannot start git")?;
    match String::from_utf8_lossy(&output.stdout).trim().parse() {
        Ok(seconds) if output.status.success() => Ok(seconds),
        _ => bail!(
            "this is no git repository with a commit: set SOURCE_DATE_EPOCH to the time that packed files are to bear"
        ),
    }
}

/// Copies a file and sets its mode.
///
/// # Errors
///
/// Names both files.
pub(super) fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", to.display()))
}

/// Every file below a directory, relative to it, sorted.
///
/// # Errors
///
/// When a directory cannot be read.
pub(super) fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("reading {}", next.display()))? {
            let entry = entry.with_context(|| format!("reading {}", next.display()))?;
            let path = entry.path();
            if entry
                .file_type()
                .with_context(|| format!("reading {}", path.display()))?
                .is_dir()
            {
                waiting.push(path);
            } else {
                found.push(path.strip_prefix(directory).unwrap_or(&path).to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}
