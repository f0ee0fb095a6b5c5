//! `cargo xtask dist --check`: what can be said of the packages before somebody installs them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use xtask::bpf;

use super::{
    archive,
    compile::{Binaries, Optimisation},
    debian,
    place::Place,
};
use crate::run::{announce, cargo, run};

/// What the machine in which the package is installed has besides Debian's minimum: what every server has.
const MACHINE: &str = "systemd,systemd-sysv,dbus,iproute2,procps,iputils-ping,ca-certificates,man-db";

/// Says in a machine's directory that it is complete, and of what it was made.
const COMPLETE: &str = "levee-machine";

/// All checks, one after another.
///
/// # Errors
///
/// The first that fails.
pub(super) fn all(
    place: &Place,
    payload: &Path,
    binaries: &Binaries,
    packed: &[PathBuf],
    optimisation: Optimisation,
) -> Result<()> {
    let [package, .., archive] = packed else {
        bail!("nothing was packed");
    };
    lintian(package)?;
    is_static(&binaries.fixed)?;
    if optimisation == Optimisation::Release {
        no_path_of_this_machine(place, &[&binaries.dynamic, &binaries.fixed])?;
    }
    packs_the_same_again(place, payload, binaries, packed)?;
    let machine = machine(place)?;
    announce("the life of the packages in a machine of namespaces");
    run(cargo()
        .args(["test", "--package", "tests", "--test", "packages"])
        .args(["--", "--include-ignored", "--test-threads=1", "--nocapture"])
        .env("LEVEE_PACKAGE", package)
        .env("LEVEE_ARCHIVE", archive)
        .env("LEVEE_MACHINE", machine))
}

fn lintian(package: &Path) -> Result<()> {
    announce("lintian");
    run(Command::new("lintian")
        .args([
            "--fail-on",
            "error,warning",
            "--display-info",
            "--tag-display-limit",
            "0",
            "--allow-root",
        ])
        .arg(package))
}

/// Says in what way a binary that should need nothing does.
fn is_static(binary: &Path) -> Result<()> {
    announce("the archive's binary needs no library");
    let output = Command::new("readelf")
        .args(["--dynamic", "--program-headers", "--wide"])
        .arg(binary)
        .output()
        .context("cannot start readelf")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let needs = said
        .lines()
        .find(|line| line.contains("(NEEDED)") || line.contains("INTERP"));
    match needs {
        Some(line) => bail!("{} is not static: {}", binary.display(), line.trim()),
        None if !output.status.success() => bail!("readelf cannot read {}", binary.display()),
        None => Ok(()),
    }
}

fn no_path_of_this_machine(place: &Place, binaries: &[&Path]) -> Result<()> {
    announce("no path of this machine in the binaries");
    for binary in binaries {
        let bytes = fs::read(binary).with_context(|| format!("reading {}", binary.display()))?;
        for path in bpf::renamed_paths(&place.root) {
            if let Some(at) = find(&bytes, path.as_os_str().as_encoded_bytes()) {
                let around = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 120)]).into_owned();
                bail!("{} names {around:?}", binary.display());
            }
        }
    }
    Ok(())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn packs_the_same_again(place: &Place, payload: &Path, binaries: &Binaries, packed: &[PathBuf]) -> Result<()> {
    announce("packing once more gives the same bytes");
    let read = |files: &[PathBuf]| -> Result<Vec<Vec<u8>>> {
        let read = |file: &PathBuf| fs::read(file).with_context(|| format!("reading {}", file.display()));
        files.iter().map(read).collect()
    };
    let before = read(packed)?;
    debian::pack(place, payload, &binaries.dynamic)?;
    archive::pack(place, payload, &binaries.fixed)?;
    for ((file, before), after) in packed.iter().zip(&before).zip(read(packed)?) {
        if *before != after {
            bail!("{} is another one when it is packed again", file.display());
        }
    }
    Ok(())
}

/// A Debian as it comes, made once and kept in target/dist.
fn machine(place: &Place) -> Result<PathBuf> {
    let machine = place.output.join("machine");
    let complete = machine.join(COMPLETE);
    if fs::read_to_string(&complete).is_ok_and(|made_of| made_of == MACHINE) {
        return Ok(machine);
    }
    announce("a Debian 12 to install the package in (debootstrap)");
    if machine.exists() {
        fs::remove_dir_all(&machine).with_context(|| format!("cannot remove {}", machine.display()))?;
    }
    run(Command::new("debootstrap")
        .args(["--variant=minbase", "--include", MACHINE, "bookworm"])
        .arg(&machine))?;
    fs::write(&complete, MACHINE).with_context(|| format!("cannot write {}", complete.display()))?;
    Ok(machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_bytes() {
        assert_eq!(find(b"a path: /src/levee/x", b"/src/levee"), Some(8));
        assert_eq!(find(b"levee/src", b"/src/levee"), None);
    }
}
