//! What both packages bring beside the binary: pages, completions, unit, configurations, documents, licences.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{
    licences,
    place::{Place, copy, files_below},
    sbom,
};
use crate::run::{announce, run};

/// Files of the workspace, and where they are in the payload.
const FILES: &[(&str, &str)] = &[
    ("packaging/agent.toml", "agent.toml"),
    ("packaging/systemd/levee.service", "levee.service"),
    ("packaging/systemd/levee.sysusers", "levee.sysusers"),
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("SECURITY.md", "SECURITY.md"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-GPL-2.0", "LICENSE-GPL-2.0"),
];

/// Directories of the workspace, and where they are in the payload.
const DIRECTORIES: &[(&str, &str)] = &[
    ("docs", "docs"),
    ("packaging/systemd/examples", "examples/systemd"),
    ("packaging/examples/pools", "examples/pools"),
];

/// Shells with completions, and the names of the files that they look for.
const COMPLETIONS: &[(&str, &str)] = &[("bash", "agent"), ("zsh", "_agent"), ("fish", "agent.fish")];

/// Puts it together in a directory of its own. `agent` is asked for what it knows of itself.
///
/// # Errors
///
/// When a file is not where it should be, or the agent does not answer.
pub(super) fn gather(place: &Place, agent: &Path) -> Result<PathBuf> {
    announce("man pages, completions, documents, licences");
    let payload = place.fresh("payload")?;
    for (from, to) in FILES {
        copy(&place.root.join(from), &payload.join(to), 0o644)?;
    }
    for (from, to) in DIRECTORIES {
        let directory = place.root.join(from);
        for file in files_below(&directory)? {
            let source = directory.join(&file);
            copy(&source, &payload.join(to).join(&file), mode_of(&source)?)?;
        }
    }
    run(Command::new(agent).args(["man", "--out"]).arg(payload.join("man")))?;
    for (shell, file) in COMPLETIONS {
        write(
            &payload.join("completions").join(file),
            &said(agent, &["completions", shell])?,
        )?;
    }
    let example = payload.join("examples/agent.toml");
    write(&example, &said(agent, &["config", "example"])?)?;
    write(&payload.join("third-party.txt"), &licences::collect(place)?)?;
    write(&payload.join(sbom::FILE), &sbom::make(place)?)?;
    Ok(payload)
}

/// Scripts can be run, everything else is read.
fn mode_of(file: &Path) -> Result<u32> {
    use std::os::unix::fs::PermissionsExt as _;

    let found = fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(if found.permissions().mode() & 0o111 == 0 {
        0o644
    } else {
        0o755
    })
}

fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn said(agent: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(agent)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot start {}", agent.display()))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("`agent {}` failed: {errors}", arguments.join(" "));
    }
    String::from_utf8(output.stdout).with_context(|| format!("`agent {}` prints no text", arguments.join(" ")))
}
