//! The checks: pure, facts in, findings out; one file for each section.

mod agent;
mod clock;
mod config;
mod fleet;
mod kernel;
mod memory;
mod nic;
mod permissions;
mod queues;
mod sysctl;
mod xdp;

use super::{
    facts::Facts,
    finding::{Check, Finding},
};

/// What belongs together, in the order in which it is told: the name before the dot in an id, and a heading.
pub const SECTIONS: [(&str, &str); 11] = [
    ("config", "Configuration"),
    ("kernel", "Kernel"),
    ("nic", "Interfaces"),
    ("xdp", "Others who use XDP"),
    ("sysctl", "Network settings"),
    ("memory", "Memory"),
    ("limits", "Room in the tables"),
    ("permissions", "Permissions and places"),
    ("clock", "Clock"),
    ("fleet", "The fleet"),
    ("agent", "The running agent"),
];

/// Every check there is, by section.
#[must_use]
pub fn all() -> Vec<&'static Check> {
    let by_file = [
        config::ALL,
        kernel::ALL,
        nic::ALL,
        queues::ALL,
        xdp::ALL,
        sysctl::ALL,
        memory::ALL,
        memory::LIMITS,
        permissions::ALL,
        clock::ALL,
        fleet::ALL,
        agent::ALL,
    ];
    by_file.concat()
}

/// What there is to say of these facts, by section, in each the worst first.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let sections: [fn(&Facts) -> Vec<Finding>; 11] = [
        config::check,
        kernel::check,
        nic::check,
        xdp::check,
        sysctl::check,
        memory::check,
        memory::limits,
        permissions::check,
        clock::check,
        fleet::check,
        agent::check,
    ];
    let mut findings = Vec::new();
    for section in sections {
        let mut found = section(facts);
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings.extend(found);
    }
    findings
}
