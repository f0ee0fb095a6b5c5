//! What the kernel must allow this process, checked before the first system call that would only say "EPERM".

use anyhow::{Context as _, bail};
use caps::{CapSet, Capability};

/// A capability and what the agent does with it.
type Need = (Capability, &'static str);

const NEEDED: [Need; 3] = [
    (Capability::CAP_NET_ADMIN, "attach the XDP program to interfaces"),
    (Capability::CAP_BPF, "load the XDP program and use its maps"),
    (
        Capability::CAP_PERFMON,
        "load a program that does arithmetic on packet pointers",
    ),
];

/// Checks that this process may do what the daemon does.
///
/// # Errors
/// Names every capability that is missing, what it is for, and how to get it.
pub fn check() -> anyhow::Result<()> {
    let held = caps::read(None, CapSet::Effective).context("cannot read this process's capabilities")?;
    let missing = missing(|capability| held.contains(&capability));
    if missing.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = missing
        .iter()
        .map(|(capability, what)| format!("{capability} (to {what})"))
        .collect();
    bail!(
        "missing {}: run as root, or give the service these capabilities (AmbientCapabilities= in its systemd unit)",
        list.join(", ")
    )
}

/// The names of those that this process lacks.
#[must_use]
pub fn missing_here() -> Vec<String> {
    let held = caps::read(None, CapSet::Effective).unwrap_or_default();
    let missing = missing(|capability| held.contains(&capability));
    missing.iter().map(|(capability, _)| capability.to_string()).collect()
}

/// CAP_SYS_ADMIN includes what CAP_BPF and CAP_PERFMON were split from.
fn missing(holds: impl Fn(Capability) -> bool) -> Vec<Need> {
    let by_admin = |capability| capability != Capability::CAP_NET_ADMIN && holds(Capability::CAP_SYS_ADMIN);
    NEEDED
        .into_iter()
        .filter(|(capability, _)| !holds(*capability) && !by_admin(*capability))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(held: &[Capability]) -> Vec<String> {
        missing(|capability| held.contains(&capability))
            .iter()
            .map(|(capability, _)| capability.to_string())
            .collect()
    }

    #[test]
    fn every_missing_capability_is_named() {
        assert_eq!(names(&[]), ["CAP_NET_ADMIN", "CAP_BPF", "CAP_PERFMON"]);
        assert_eq!(names(&[Capability::CAP_SYS_ADMIN]), ["CAP_NET_ADMIN"]);
        assert_eq!(
            names(&[Capability::CAP_NET_ADMIN, Capability::CAP_BPF]),
            ["CAP_PERFMON"]
        );
        assert_eq!(names(&[Capability::CAP_NET_ADMIN, Capability::CAP_SYS_ADMIN]), [""; 0]);
    }
}
