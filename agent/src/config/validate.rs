//! The written configuration against the host it is to run on: what only this machine can tell.

use super::{ConfigFile, Problem};
use crate::host::HostFacts;

/// What users and groups of elsewhere are shown as (`/proc/sys/kernel/overflowgid`).
const OVERFLOW: u32 = 65_534;

/// What this host cannot do of what is asked.
pub(super) fn against_host(file: &ConfigFile, host: &HostFacts) -> Vec<Problem> {
    let mut problems = Vec::new();
    let existing = host.interface_names();
    for (index, name) in file.interfaces.iter().enumerate() {
        if !existing.contains(&name.as_str()) {
            let message = format!("there is no such interface here; there are {}", existing.join(", "));
            problems.push(Problem::new(format!("interfaces[{index}]"), quoted(name), message).passing());
        }
    }
    let control = &file.control;
    for (key, group) in [
        ("control.group", &control.group),
        ("control.view_group", &control.view_group),
    ] {
        if let Some(group) = group
            && let Some(message) = wrong_with_group(group)
        {
            problems.push(Problem::new(key, quoted(group), message));
        }
    }
    problems
}

fn wrong_with_group(name: &str) -> Option<&'static str> {
    match nix::unistd::Group::from_name(name) {
        Ok(Some(group)) if group.gid.as_raw() == OVERFLOW => {
            Some("is the group of everybody whose group is not known here; name one that you made for it")
        }
        Ok(Some(_)) => None,
        _ => Some("there is no such group here; create it with `groupadd --system`, or leave the key out"),
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
