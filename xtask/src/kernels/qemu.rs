//! QEMU: the machine's own, or else Debian's, fetched and checked by apt, unpacked beside the kernels and installed nowhere. To install it
//! could mean to remove what a machine has of another version of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use xtask::bpf;

use crate::{
    run::{announce, run},
    setup,
};

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";
/// What dpkg says is installed (dpkg(1)).
const STATUS: &str = "/var/lib/dpkg/status";

/// Has it in `directory`, unless the machine has one.
///
/// # Errors
///
/// When apt is not there, or cannot fetch it.
pub(super) fn ensure(directory: &Path) -> Result<()> {
    if own().is_some() || unpacked(directory).is_dir() {
        return Ok(());
    }
    if bpf::find_program("apt-get").is_none() {
        bail!(
            "there is no {PROGRAM}, and no apt-get to fetch it with: install QEMU for x86-64 from this system's packages"
        );
    }
    announce(&format!(
        "Debian package {PACKAGE} with what it needs (boots other kernels), unpacked in {}",
        directory.display()
    ));
    fetch(directory)
}

/// To be run: the program, and where it finds what belongs to it.
pub(super) struct Qemu {
    /// The program.
    pub(super) program: PathBuf,
    /// Directories of firmware, for `-L`.
    pub(super) firmware: Vec<PathBuf>,
    /// Environment.
    pub(super) environment: Vec<(&'static str, String)>,
}

impl Qemu {
    /// The machine's own, or that of [`ensure`].
    pub(super) fn find(directory: &Path) -> Self {
        if let Some(program) = own() {
            return Self {
                program,
                firmware: Vec::new(),
                environment: Vec::new(),
            };
        }
        let root = unpacked(directory);
        let libraries = root.join("usr/lib/x86_64-linux-gnu");
        let older = root.join("lib/x86_64-linux-gnu");
        Self {
            program: root.join("usr/bin").join(PROGRAM),
            firmware: ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"]
                .map(|part| root.join(part))
                .into(),
            environment: vec![
                (
                    "LD_LIBRARY_PATH",
                    format!("{}:{}", libraries.display(), older.display()),
                ),
                // Debian has the emulation itself as a module (util/module.c).
                ("QEMU_MODULE_DIR", libraries.join("qemu").display().to_string()),
            ],
        }
    }
}

fn own() -> Option<PathBuf> {
    bpf::find_program(PROGRAM)
}

fn unpacked(directory: &Path) -> PathBuf {
    directory.join("qemu")
}

/// By the machine's own sources, so that its libraries fit.
fn fetch(directory: &Path) -> Result<()> {
    let cache = directory.join("qemu-cache");
    let archives = cache.join("archives");
    fs::create_dir_all(archives.join("partial")).with_context(|| format!("making {}", archives.display()))?;
    let status = cache.join("status");
    let installed = fs::read_to_string(STATUS).with_context(|| format!("reading {STATUS}"))?;
    fs::write(&status, without_qemu(&installed)).with_context(|| format!("writing {}", status.display()))?;
    let download = || {
        run(Command::new("apt-get")
            .args(["--quiet", "--yes", "--no-install-recommends", "--download-only"])
            .args(["-o", &format!("Dir::State::status={}", status.display())])
            .args(["-o", &format!("Dir::Cache={}", cache.display())])
            // Nothing is installed, so nothing is locked.
            .args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"])
            .args(["install", PACKAGE]))
    };
    if download().is_err() {
        setup::update_lists("there is no QEMU by these lists of packages; once more with new ones")?;
        download().with_context(|| format!("fetching {PACKAGE}"))?;
    }
    let partial = directory.join("qemu.partial");
    for archive in fs::read_dir(&archives)
        .context("looking for what apt fetched")?
        .flatten()
    {
        if archive.path().extension().is_some_and(|ending| ending == "deb") {
            run(Command::new("dpkg").arg("-x").args([&archive.path(), &partial]))?;
        }
    }
    // Under another name until it is whole.
    fs::rename(&partial, unpacked(directory)).context("naming what was unpacked")?;
    fs::remove_dir_all(&cache).context("removing the archives")
}

/// What is installed, but for QEMU: of which there may be another version, and parts of two do not go together.
fn without_qemu(status: &str) -> String {
    let is_qemu = |stanza: &str| {
        let says = |field: &str| stanza.lines().find_map(|line| line.strip_prefix(field));
        let source = says("Source: ").or_else(|| says("Package: ")).unwrap_or_default();
        source.split(' ').next() == Some("qemu")
    };
    let stanzas: Vec<&str> = status.split("\n\n").filter(|stanza| !is_qemu(stanza)).collect();
    stanzas.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_made_of_qemu_is_left_out() {
        let status = "Package: qemu-utils\nSource: qemu (1:10.0)\nVersion: 1:10.0+b1\n\nPackage: qemu-like\nVersion: 1\n\n\
                      Package: curl\nDescription: not\n Source: qemu\n";
        let left = without_qemu(status);
        assert!(
            !left.contains("qemu-utils") && left.contains("qemu-like") && left.contains("curl"),
            "{left}"
        );
        assert_eq!(without_qemu(&left), left);
    }
}
