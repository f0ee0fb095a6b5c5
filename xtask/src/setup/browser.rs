//! What the tests drive Chromium with, and what looks for barriers: two packages from npm, pinned by their hashes in
//! `tests/browser/package-lock.json`, below cargo's target directory.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::run::run;

/// The packages and their hashes.
const FILES: [(&str, &str); 2] = [
    ("package.json", include_str!("../../../tests/browser/package.json")),
    (LOCK, include_str!("../../../tests/browser/package-lock.json")),
];
const LOCK: &str = "package-lock.json";

/// Where they are: below the directory where cargo leaves this program. The tests look there, too.
fn directory() -> Option<PathBuf> {
    let own = env::current_exe().ok()?;
    let target = own
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file())?;
    Some(target.join("browser"))
}

/// Whether these very packages are there.
pub(crate) fn is_there() -> bool {
    directory().is_some_and(|directory| are_in(&directory))
}

fn are_in(directory: &Path) -> bool {
    let is_ours =
        |(name, text): (&str, &str)| fs::read_to_string(directory.join(name)).is_ok_and(|found| found == text);
    // npm writes this file when it has finished.
    FILES.into_iter().all(is_ours) && directory.join("node_modules/.package-lock.json").is_file()
}

/// Installs them; no script of theirs runs.
pub(crate) fn install() -> Result<()> {
    let directory =
        directory().context("cannot tell where cargo's target directory is: start this as `cargo xtask`")?;
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (name, text) in FILES {
        fs::write(directory.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    run(Command::new("npm")
        .current_dir(&directory)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
    .context("installing playwright-core and axe-core")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_installation_is_none() {
        let directory = tempfile::tempdir().expect("directory");
        for (name, text) in FILES {
            assert!(!are_in(directory.path()));
            fs::write(directory.path().join(name), text).expect("written");
        }
        assert!(!are_in(directory.path()), "npm has not finished");
        let modules = directory.path().join("node_modules");
        fs::create_dir(&modules).expect("made");
        fs::write(modules.join(".package-lock.json"), "{}").expect("written");
        assert!(are_in(directory.path()));
        fs::write(directory.path().join(LOCK), "{}").expect("written");
        assert!(!are_in(directory.path()), "these are other versions");
    }
}
