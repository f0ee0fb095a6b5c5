//! Takes the steps: apt-get and `cargo install`.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use xtask::bpf;

use super::plan::{LLVM_PREFIX, Step};
use crate::run::{announce, cargo, run};

/// Versions of bpf-linker that build with [`LLVM_PREFIX`].
const BPF_LINKER: &str = "~0.13";

/// Installs without starting services.
const INSTALL: &str = include_str!("install.sh");

pub(crate) fn apply(step: &Step) -> Result<()> {
    match step {
        Step::Packages { packages, .. } => install(packages),
        Step::BpfLinker => bpf_linker(),
    }
}

fn install(packages: &[&str]) -> Result<()> {
    if !all_known(packages)? {
        update("apt does not know all of these packages yet")?;
    }
    let install = || {
        run(Command::new("sh")
            .args(["-eu", "-c", INSTALL, "install"])
            .args(packages))
    };
    if install().is_err() {
        // Most often a list that names files which the mirror has replaced since.
        update("the installation failed, maybe because apt's lists are old; once more with new ones")?;
        install().with_context(|| format!("installing {}", packages.join(" ")))?;
    }
    Ok(())
}

fn update(reason: &str) -> Result<()> {
    announce(&format!("apt-get update ({reason})"));
    run(Command::new("apt-get").args(["--quiet", "update"]))
}

/// Whether apt has a version of each package to install.
fn all_known(packages: &[&str]) -> Result<bool> {
    let output = Command::new("apt-cache")
        .arg("policy")
        .args(packages)
        .env("LC_ALL", "C")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start apt-cache")?;
    Ok(candidates(&String::from_utf8_lossy(&output.stdout)) == packages.len())
}

/// How many packages `apt-cache policy` has a candidate for.
fn candidates(policy: &str) -> usize {
    policy
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("Candidate: "))
        .filter(|candidate| *candidate != "(none)")
        .count()
}

fn bpf_linker() -> Result<()> {
    let feature = format!("llvm-{}", bpf::LLVM_MAJOR);
    run(cargo()
        .args(["install", "bpf-linker", "--version", BPF_LINKER, "--locked", "--force"])
        .args(["--no-default-features", "--features", &feature])
        // The first for bpf-linker itself, the second for its crate llvm-sys.
        .env("LLVM_PREFIX", LLVM_PREFIX)
        .env(format!("LLVM_SYS_{}1_PREFIX", bpf::LLVM_MAJOR), LLVM_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_packages_that_can_be_installed() {
        let policy = "nginx:\n  Installed: (none)\n  Candidate: 1.22\nodd:\n  Installed: (none)\n  Candidate: (none)\n";
        assert_eq!(candidates(policy), 1);
    }
}
