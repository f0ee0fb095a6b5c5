//! Takes the steps: apt-get and `cargo install`.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use xtask::bpf;

use super::{
    browser,
    plan::{LLVM_PREFIX, Step},
};
use crate::run::{announce, cargo, run};

/// Versions of bpf-linker that build with [`LLVM_PREFIX`].
const BPF_LINKER: &str = "~0.13";

/// Where Debian 12 keeps what its main suite lacks.
const SUITE: &str = "On Debian 12 it comes from the suite bookworm-security, which has to be among apt's sources";

/// Installs without starting services.
const INSTALL: &str = include_str!("install.sh");

pub(crate) fn apply(step: &Step) -> Result<()> {
    match step {
        Step::Packages { packages, .. } => install(packages),
        Step::BpfLinker => bpf_linker(),
        Step::BrowserDriver => browser::install(),
    }
}

fn install(packages: &[&str]) -> Result<()> {
    if let Some(why) = lacking(packages)? {
        update(&why)?;
        if let Some(why) = lacking(packages)? {
            bail!("{why}. {SUITE}");
        }
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

/// Has apt look what there is.
pub(crate) fn update(reason: &str) -> Result<()> {
    announce(&format!("apt-get update ({reason})"));
    run(Command::new("apt-get").args(["--quiet", "update"]))
}

/// Why apt cannot give us what we need of `packages`, as far as its lists go.
fn lacking(packages: &[&str]) -> Result<Option<String>> {
    let output = Command::new("apt-cache")
        .arg("policy")
        .args(packages)
        .env("LC_ALL", "C")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start apt-cache")?;
    let policy = String::from_utf8_lossy(&output.stdout);
    Ok(packages
        .iter()
        .find_map(|package| unfit(package, candidate(&policy, package))))
}

/// The version of `package` that apt would install, as `apt-cache policy` tells it.
fn candidate<'a>(policy: &'a str, package: &str) -> Option<&'a str> {
    policy
        .lines()
        .skip_while(|line| line.strip_suffix(':') != Some(package))
        .find_map(|line| line.strip_prefix("  Candidate: "))
        .filter(|candidate| *candidate != "(none)")
}

/// What is wrong with a candidate.
fn unfit(package: &str, candidate: Option<&str>) -> Option<String> {
    let Some(version) = candidate else {
        return Some(format!("apt knows no package {package}"));
    };
    let minimum = bpf::Version::minimum();
    let too_old = package == "rustc-web" && version.parse::<bpf::Version>().is_ok_and(|version| version < minimum);
    too_old.then(|| format!("apt has {package} {version}, but rustc {minimum} or newer is needed"))
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

    const POLICY: &str = "\
rustc-web:
  Installed: (none)
  Candidate: 1.85.0+dfsg3-1~deb12u3
  Version table:
     1.85.0+dfsg3-1~deb12u3 500
odd:
  Installed: (none)
  Candidate: (none)
";

    #[test]
    fn reads_candidates() {
        assert_eq!(candidate(POLICY, "rustc-web"), Some("1.85.0+dfsg3-1~deb12u3"));
        assert_eq!(candidate(POLICY, "odd"), None);
        assert_eq!(candidate(POLICY, "llvm-22-dev"), None);
    }

    #[test]
    fn wants_new_lists_for_a_compiler_too_old_or_a_package_unknown() {
        let old = unfit("rustc-web", Some("1.85.0+dfsg3-1~deb12u3")).expect("too old");
        assert!(old.contains("1.85.0") && old.contains("rustc-web"), "{old}");
        assert!(unfit("nginx-light", None).is_some());
        assert_eq!(unfit("nginx-light", Some("1.22.1-9")), None);
        assert_eq!(unfit("rustc-web", Some("1.999.0+dfsg1")), None);
    }
}
