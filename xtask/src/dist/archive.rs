//! The archive: a directory with everything, packed so that the same files always give the same bytes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::place::{Place, copy, files_below};
use crate::run::announce;

/// The sums of everything in a directory.
const SUMS: &str = "SHA256SUMS";

/// Packs the archive; tells where it is.
///
/// # Errors
///
/// When a file is missing, or one of the programs fails.
pub(super) fn pack(place: &Place, payload: &Path, agent: &Path) -> Result<PathBuf> {
    announce("archive");
    let name = format!("levee-{}-{}-linux", place.version(), std::env::consts::ARCH);
    let directory = place.fresh("archive")?.join(&name);
    for file in files_below(payload)? {
        copy(&payload.join(&file), &directory.join(&file), 0o644)?;
    }
    copy(agent, &directory.join("agent"), 0o755)?;
    strip(&directory.join("agent"))?;
    copy(
        &place.root.join("packaging/tarball/install.sh"),
        &directory.join("install.sh"),
        0o755,
    )?;
    write_sums(&directory, &absolute(&directory, files_below(&directory)?))?;
    let file = place.output.join(format!("{name}.tar.gz"));
    tar(&directory, &file, place.epoch)?;
    Ok(file)
}

fn absolute(directory: &Path, files: Vec<PathBuf>) -> Vec<PathBuf> {
    files.into_iter().map(|file| directory.join(file)).collect()
}

/// Debug information stays with who builds.
fn strip(binary: &Path) -> Result<()> {
    let status = Command::new("strip")
        .arg(binary)
        .status()
        .context("cannot start strip")?;
    if !status.success() {
        bail!("strip failed ({status})");
    }
    Ok(())
}

/// Packs a directory under its own name. Order, owners, modes and times do not depend on who packs where and when.
///
/// # Errors
///
/// When tar or gzip fails.
pub(super) fn tar(directory: &Path, file: &Path, epoch: u64) -> Result<()> {
    let parent = directory.parent().context("the directory has no parent")?;
    let name = directory.file_name().context("the directory has no name")?;
    let out = fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut tar = Command::new("tar")
        .args(["--create", "--format=gnu", "--sort=name", "--numeric-owner"])
        .args(["--owner=0", "--group=0", "--mode=u=rwX,go=rX"])
        .arg(format!("--mtime=@{epoch}"))
        .arg("--directory")
        .arg(parent)
        .arg(name)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start tar")?;
    let packed = tar.stdout.take().context("the pipe of tar's output is gone")?;
    // -n: neither name nor time in the header.
    let squeezed = Command::new("gzip")
        .args(["-9", "-n"])
        .stdin(packed)
        .stdout(out)
        .status()
        .context("cannot start gzip")?;
    let packed = tar.wait().context("waiting for tar")?;
    if !packed.success() || !squeezed.success() {
        bail!("packing {} failed: tar {packed}, gzip {squeezed}", file.display());
    }
    Ok(())
}

/// Writes `SHA256SUMS` for files into a directory above all of them, as `sha256sum --check` reads it.
///
/// # Errors
///
/// When sha256sum fails.
pub(super) fn write_sums(directory: &Path, files: &[PathBuf]) -> Result<()> {
    let relative = files.iter().map(|file| file.strip_prefix(directory).unwrap_or(file));
    let output = Command::new("sha256sum")
        .args(relative)
        .current_dir(directory)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start sha256sum")?;
    if !output.status.success() {
        bail!("sha256sum failed ({})", output.status);
    }
    let file = directory.join(SUMS);
    fs::write(&file, output.stdout).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// The same files, made in another order, with other modes, at another time.
    fn tree(parent: &Path, names: &[&str], mode: u32) -> PathBuf {
        let directory = parent.join("levee-0");
        for name in names {
            let file = directory.join(name);
            fs::create_dir_all(file.parent().expect("parent")).expect("directory");
            fs::write(&file, name).expect("file");
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("mode");
        }
        directory
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let (one, other) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("other"));
        let first = tree(one.path(), &["b", "a/x", "a/y"], 0o600);
        let second = tree(other.path(), &["a/y", "a/x", "b"], 0o644);
        fs::File::open(second.join("b"))
            .and_then(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH))
            .expect("time");
        let packed = |directory: &Path| {
            let file = directory.with_extension("tar.gz");
            tar(directory, &file, 1_700_000_000).expect("packed");
            fs::read(file).expect("archive")
        };
        assert_eq!(packed(&first), packed(&second));
        fs::write(second.join("b"), "changed").expect("file");
        assert_ne!(packed(&first), packed(&second), "what differs is seen");
    }

    #[test]
    fn sums_are_what_sha256sum_checks() {
        let parent = tempfile::tempdir().expect("directory");
        let directory = tree(parent.path(), &["a/x", "b"], 0o644);
        write_sums(&directory, &[directory.join("a/x"), directory.join("b")]).expect("sums");
        let check = || {
            Command::new("sha256sum")
                .args(["--check", "--quiet", SUMS])
                .current_dir(&directory)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("sha256sum")
        };
        assert!(check().success());
        fs::write(directory.join("b"), "changed").expect("file");
        assert!(!check().success());
    }
}
