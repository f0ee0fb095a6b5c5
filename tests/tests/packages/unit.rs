//! The unit, as systemd's own tools see it.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use lab::{binary, command::output};

/// `systemd-analyze security` at most, in tenths: 2.0.
const EXPOSURE: &str = "20";

/// A directory with the unit, which starts the agent that was built instead of the one that is installed.
fn unit() -> Result<(tempfile::TempDir, PathBuf)> {
    let source = packaging("systemd/levee.service");
    let text = fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
    let directory = tempfile::tempdir()?;
    let unit = directory.path().join("levee.service");
    fs::write(
        &unit,
        text.replace("/usr/bin/agent", &binary::agent()?.to_string_lossy()),
    )?;
    Ok((directory, unit))
}

/// A file below packaging/.
pub(crate) fn packaging(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../packaging")
        .join(file)
}

#[test]
fn systemd_understands_every_line() -> Result<()> {
    let (_directory, unit) = unit()?;
    let done = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&unit)
        .output()
        .context("cannot start systemd-analyze")?;
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{said}");
    Ok(())
}

#[test]
fn the_sandbox_is_as_tight_as_promised() -> Result<()> {
    let (_directory, unit) = unit()?;
    output(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE])
            .arg(&unit),
    )?;
    Ok(())
}

#[test]
fn a_unit_without_the_sandbox_would_be_refused() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let unit = directory.path().join("levee.service");
    fs::write(&unit, "[Service]\nExecStart=/bin/true\n")?;
    let done = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE])
        .arg(&unit)
        .output()?;
    assert!(!done.status.success(), "the threshold is looked at");
    Ok(())
}
