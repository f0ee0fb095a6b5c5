//! Others who use XDP here.

use super::super::{
    facts::{AgentFacts, Attached, Facts, Nic},
    finding::{
        Check, Finding,
        Severity::{Note, Problem},
    },
};
use crate::kernel::is_levee;

pub(super) const ALL: &[&Check] = &[&FOREIGN, &DISPATCHER, &OTHER_LEVEE, &OTHER_VERSION, &LOCK];

static FOREIGN: Check = Check {
    id: "xdp.foreign",
    severity: Problem,
    about: "An XDP program of somebody else is on the interface.",
    why: "An interface takes one XDP program, so the agent does not start there. Whoever attached it wants to be asked first.",
    fix: "ip link set dev IF xdp off, or bpftool link detach id N where a link holds it",
};
static DISPATCHER: Check = Check {
    id: "xdp.dispatcher",
    severity: Problem,
    about: "libxdp's dispatcher is on the interface (xdp-loader, xdp-filter and programs like them).",
    why: "An interface takes one XDP program, and Levee's is not made for a dispatcher: the agent does not start there.",
    fix: "xdp-loader unload IF --all",
};
static OTHER_LEVEE: Check = Check {
    id: "xdp.other_levee",
    severity: Problem,
    about: "A program of Levee is on the interface that is not pinned in kernel.bpffs.",
    why: "An agent with another kernel.bpffs protects it. This one cannot take it over, and does not start there.",
    fix: "that agent's configuration: agent --config ITS.toml detach; or the same kernel.bpffs in both",
};
static OTHER_VERSION: Check = Check {
    id: "xdp.other_version",
    severity: Note,
    about: "An agent of another version left its maps and links.",
    why: "`agent run` takes its interfaces over without a gap, and removes the rest.",
    fix: "agent run; or, to end its protection: agent detach",
};
static LOCK: Check = Check {
    id: "xdp.lock",
    severity: Problem,
    about: "Another agent holds the state directory or the maps.",
    why: "One agent for each: a second one does not start. Stopping an agent leaves its protection in place.",
    fix: "systemctl stop levee, or kill PID; or a control.socket, state.directory and kernel.bpffs of its own",
};

/// Names of programs by whom they are, as the kernel cuts them.
const DISPATCHERS: [&str; 2] = ["xdp_dispatcher", "xdp_pass_dispat"];

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts
        .nics
        .iter()
        .map(|nic| interface(facts, nic).on(&nic.name))
        .collect();
    findings.push(match &facts.xdp.other_versions[..] {
        [] => OTHER_VERSION.ok("no agent of another version left anything"),
        others => {
            let places: Vec<String> = others.iter().map(|path| path.display().to_string()).collect();
            OTHER_VERSION
                .found(format!("there is {}", places.join(", ")))
                .advise(OTHER_VERSION.fix)
        }
    });
    findings.push(lock(facts));
    findings
}

fn interface(facts: &Facts, nic: &Nic) -> Finding {
    let Some(attached) = nic.programs.first() else {
        return FOREIGN.ok("no XDP program is attached");
    };
    let seen = format!(
        "{} XDP program {}{}",
        attached.mode,
        attached.id,
        attached
            .name
            .as_ref()
            .map(|name| format!(" ({name})"))
            .unwrap_or_default()
    );
    match (&facts.xdp.pinned, attached.name.as_deref()) {
        (Ok(pinned), _)
            if pinned
                .get(&nic.name)
                .is_some_and(|id| id.is_none_or(|id| id == attached.id)) =>
        {
            FOREIGN.ok(format!("{seen} is Levee's own, pinned in kernel.bpffs"))
        }
        (Err(why), None) => FOREIGN.unseen(format!("{seen} is attached; whose it is cannot be seen: {why}")),
        (Err(why), Some(name)) if is_levee(name) => FOREIGN.unseen(format!(
            "{seen} is Levee's; whether it is this agent's cannot be seen: {why}"
        )),
        (_, Some(name)) if DISPATCHERS.contains(&name) => DISPATCHER
            .found(seen)
            .run(format!("xdp-loader unload {} --all", nic.name)),
        (_, Some(name)) if is_levee(name) => OTHER_LEVEE.found(seen).advise(OTHER_LEVEE.fix),
        _ => take_off(FOREIGN.found(seen), nic, attached),
    }
}

fn take_off(finding: Finding, nic: &Nic, attached: &Attached) -> Finding {
    match &attached.link {
        Ok(Some(link)) => finding
            .advise("the process that attached it may attach it again: stop it first")
            .run(format!("bpftool link detach id {link}")),
        Ok(None) => {
            let word = if attached.mode == crate::tables::XdpMode::Generic {
                "xdpgeneric"
            } else {
                "xdpdrv"
            };
            finding.run(format!("ip link set dev {} {word} off", nic.name))
        }
        Err(_) => finding.advise(FOREIGN.fix),
    }
}

fn lock(facts: &Facts) -> Finding {
    let running = match &facts.agent {
        AgentFacts::Running(status) => status.daemon.as_ref().map(|daemon| daemon.pid),
        _ => None,
    };
    let stranger = facts.xdp.locks.iter().find(|(_, pid)| Some(*pid) != running);
    match (stranger, &facts.agent) {
        (None, _) => LOCK.ok(match running {
            Some(pid) => format!("the running agent (process {pid}) holds state directory and maps, as it should"),
            None => "nobody holds state directory or maps".to_owned(),
        }),
        // It runs and would not talk to us: no other one.
        (Some((directory, pid)), AgentFacts::Unknown(_)) => {
            LOCK.ok(format!("process {pid} holds {}", directory.display()))
        }
        (Some((directory, pid)), _) => LOCK
            .found(format!(
                "process {pid} holds {}, and does not answer at control.socket",
                directory.display()
            ))
            .advise("look who it is: ps -fp followed by the number; a running agent answers with its own --config")
            .run(format!("kill {pid}")),
    }
}
