//! The Debian package, by debhelper: it knows what Debian's policy asks of a package better than anything that packs a
//! `.deb` from a list of files, down to the snippets by which maintainer scripts treat systemd as administrators expect.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::place::{Place, copy, files_below};
use crate::run::{announce, run};

/// The name of the package.
pub(super) const NAME: &str = "levee";

/// Packs it; tells where the packages are: the one that people install, and its debug symbols.
///
/// # Errors
///
/// When a file is missing, or dpkg-buildpackage fails.
pub(super) fn pack(place: &Place, payload: &Path, agent: &Path) -> Result<Vec<PathBuf>> {
    announce("Debian package");
    let parent = place.fresh("debian")?;
    let source = parent.join(format!("{NAME}-{}", place.version()));
    for file in files_below(payload)? {
        copy(&payload.join(&file), &source.join(&file), 0o644)?;
    }
    copy(agent, &source.join("agent"), 0o755)?;
    let scripts = place.root.join("packaging/debian");
    for file in files_below(&scripts)? {
        let mode = if file == Path::new("rules") { 0o755 } else { 0o644 };
        copy(&scripts.join(&file), &source.join("debian").join(&file), mode)?;
    }
    // debhelper wants these there.
    for file in ["levee.service", "levee.sysusers"] {
        copy(&payload.join(file), &source.join("debian").join(file), 0o644)?;
    }
    let changelog = source.join("debian/changelog");
    fs::write(&changelog, changelog_text(place, &maintainer(&scripts)?)?)
        .with_context(|| format!("cannot write {}", changelog.display()))?;
    run(Command::new("dpkg-buildpackage")
        .args(["--build=binary", "--no-sign", "--no-check-builddeps"])
        .current_dir(&source)
        // Of the environment only what the result may depend on.
        .env("LC_ALL", "C.UTF-8")
        .env("SOURCE_DATE_EPOCH", place.epoch.to_string())
        .env_remove("DEB_BUILD_OPTIONS"))?;
    collect(&parent, &place.output)
}

/// Moves the packages to where people look for them, in place of older ones.
fn collect(from: &Path, to: &Path) -> Result<Vec<PathBuf>> {
    let packages = |directory: &Path| -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .collect();
        found.sort();
        Ok(found)
    };
    for old in packages(to)? {
        fs::remove_file(&old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    let mut collected = Vec::new();
    for package in packages(from)? {
        let name = package.file_name().context("a package has a name")?;
        copy(&package, &to.join(name), 0o644)?;
        collected.push(to.join(name));
    }
    if collected.is_empty() {
        bail!("dpkg-buildpackage left no package in {}", from.display());
    }
    // The package itself before `levee-dbgsym`.
    collected.sort_by_key(|path| path.to_string_lossy().contains("-dbgsym"));
    Ok(collected)
}

fn maintainer(scripts: &Path) -> Result<String> {
    let file = scripts.join("control");
    let control = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let line = control.lines().find_map(|line| line.strip_prefix("Maintainer: "));
    Ok(line
        .with_context(|| format!("{} names no Maintainer", file.display()))?
        .to_owned())
}

/// What changed is in CHANGELOG.md, for all packages; Debian's own changelog names version and time.
fn changelog_text(place: &Place, maintainer: &str) -> Result<String> {
    let output = Command::new("date")
        .args(["--utc", "--rfc-email"])
        .arg(format!("--date=@{}", place.epoch))
        .env("LC_ALL", "C")
        .output()
        .context("cannot start date")?;
    let date = String::from_utf8(output.stdout).context("date prints no text")?;
    Ok(format!(
        "{NAME} ({}) unstable; urgency=medium\n\n  * See changelog.gz for what is new.\n\n -- {maintainer}  {date}",
        place.version()
    ))
}
