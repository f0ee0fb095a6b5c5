//! The written configuration against the host it is to run on: what only this machine can tell.

use super::{ConfigFile, Problem};
use crate::host::HostFacts;

/// What this host cannot do of what is asked.
pub(super) fn against_host(file: &ConfigFile, host: &HostFacts) -> Vec<Problem> {
    let mut problems = Vec::new();
    let existing = host.interface_names();
    for (index, name) in file.interfaces.iter().enumerate() {
        if !existing.contains(&name.as_str()) {
            let message = format!("there is no such interface here; there are {}", existing.join(", "));
            problems.push(Problem::new(format!("interfaces[{index}]"), quoted(name), message));
        }
    }
    if let Some(group) = &file.control.group
        && !matches!(nix::unistd::Group::from_name(group), Ok(Some(_)))
    {
        let message = "there is no such group here; create it with `groupadd --system`, or leave the key out";
        problems.push(Problem::new("control.group", quoted(group), message));
    }
    problems
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
