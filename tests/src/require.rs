//! What a lab needs, and what happens without it: it fails. A test that passes because it did nothing hides the failure.
//!
//! There is one reason to skip: a kernel older than the feature under test, and [`kernel`] says so on standard error.

use anyhow::{Context as _, Result, bail};
use nix::unistd::Uid;

/// Oldest kernel whose live frames, veth and links do what the lab needs.
const OLDEST: (u32, u32) = (5, 18);

/// Fails unless the process is root with a kernel that can run a lab.
pub fn root() -> Result<()> {
    if !Uid::effective().is_root() {
        bail!("the lab makes network namespaces and loads BPF programs: run it as root");
    }
    let release = release()?;
    if release < OLDEST {
        bail!(
            "the lab needs Linux {}.{} for BPF_PROG_TEST_RUN with live frames; this is {}.{}",
            OLDEST.0,
            OLDEST.1,
            release.0,
            release.1
        );
    }
    Ok(())
}

/// Whether the kernel is at least `major.minor`; if not, says on standard error what is skipped for that reason.
pub fn kernel(major: u32, minor: u32, feature: &str) -> Result<bool> {
    let release = release()?;
    if release >= (major, minor) {
        return Ok(true);
    }
    eprintln!(
        "skipped: {feature} needs Linux {major}.{minor}, this is {}.{}",
        release.0, release.1
    );
    Ok(false)
}

fn release() -> Result<(u32, u32)> {
    const FILE: &str = "/proc/sys/kernel/osrelease";
    let text = std::fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
    parse(&text).with_context(|| format!("{FILE} says {text:?}: not a version that starts with two numbers"))
}

fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn kernel_releases_are_understood() {
        assert_eq!(parse("6.18.44-fc-v669\n"), Some((6, 18)));
        assert_eq!(parse("6.1.0-13-amd64"), Some((6, 1)));
        assert_eq!(parse("linux"), None);
    }
}
