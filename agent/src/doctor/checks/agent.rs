//! The agent that runs, by what it says of itself.

use crate::{
    control::api::StatusView,
    doctor::{
        facts::{AgentFacts, Facts},
        finding::{
            Check, Finding,
            Severity::{Note, Problem, Warning},
        },
    },
    tables::{Mode, XdpMode},
};

pub(super) const ALL: &[&Check] = &[
    &RUNNING,
    &DEAD,
    &DETACHED,
    &GENERIC,
    &LEDGER,
    &PRIVILEGES,
    &MONITOR,
    &WARNING,
    &FULL,
    &VERSION,
];

static RUNNING: Check = Check {
    id: "agent.running",
    severity: Note,
    about: "No agent runs, and none has left protection.",
    why: "Nothing is protected yet.",
    fix: "agent run",
};
static DEAD: Check = Check {
    id: "agent.dead",
    severity: Problem,
    about: "The agent does not run, and its protection does.",
    why: "Rates, lists and blackholes go on; nobody detects attacks, notifies, records, or takes addresses out of a blackhole.",
    fix: "systemctl start levee, or agent run",
};
static DETACHED: Check = Check {
    id: "agent.detached",
    severity: Problem,
    about: "The agent runs, and is not attached to an interface of its configuration.",
    why: "What arrives there is not judged.",
    fix: "systemctl restart levee, or stop it and agent run; its log says why",
};
static GENERIC: Check = Check {
    id: "agent.generic",
    severity: Warning,
    about: "The program is attached in generic mode, and the driver has native XDP.",
    why: "Each packet costs several times as much. The mode of a link can change only after it was taken off.",
    fix: "agent detach && agent run, in calm: protection is off in between",
};
static LEDGER: Check = Check {
    id: "agent.ledger",
    severity: Problem,
    about: "The agent's ledger is not healthy.",
    why: "What is asked of it may not survive a restart, and history is lost.",
    fix: "what it says: room on the disk, permissions of state.directory",
};
static PRIVILEGES: Check = Check {
    id: "agent.privileges",
    severity: Warning,
    about: "The agent keeps rights that it does not need.",
    why: "Who finds a hole in it, or writes a hook, has them too. privileges.drop is off, or the kernel lacks seccomp or Landlock; the \
          agent's log says which.",
    fix: "privileges.drop = true, and a restart; Landlock needs CONFIG_SECURITY_LANDLOCK and its name in lsm=",
};
static MONITOR: Check = Check {
    id: "agent.monitor",
    severity: Warning,
    about: "The agent has run in mode monitor for more than a week.",
    why: "Nothing is dropped. A week shows what would be, in `agent stats`; an attack finds the host unprotected.",
    fix: "agent mode set enforce",
};
static WARNING: Check = Check {
    id: "agent.warning",
    severity: Warning,
    about: "The agent warns of something.",
    why: "`agent status` shows the same.",
    fix: "what the sentence says",
};
static FULL: Check = Check {
    id: "agent.full",
    severity: Warning,
    about: "One of the agent's tables is nine tenths full, or more.",
    why: "What does not fit is refused, or pushes out something else.",
    fix: "the table's limit in the section limits of the configuration",
};
static VERSION: Check = Check {
    id: "agent.version",
    severity: Note,
    about: "The agent that runs is of another version than this command.",
    why: "After an upgrade the old one runs until it is restarted, which costs no protection.",
    fix: "systemctl restart levee",
};

/// From then on it is no trial any more.
const TRIAL_DAYS: i64 = 7;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    match &facts.agent {
        AgentFacts::NotRunning(socket) => vec![not_running(facts, &socket.display().to_string())],
        AgentFacts::Unknown(why) => vec![RUNNING.unseen(why)],
        AgentFacts::Running(status) => running(facts, status),
    }
}

fn not_running(facts: &Facts, socket: &str) -> Finding {
    match &facts.xdp.pinned {
        Ok(pinned) if !pinned.is_empty() => {
            let interfaces: Vec<&str> = pinned.keys().map(String::as_str).collect();
            DEAD.found(format!(
                "nobody answers at {socket}, and its program is on {}",
                interfaces.join(", ")
            ))
            .run("systemctl start levee || agent run")
        }
        _ => RUNNING.found(format!("nobody answers at {socket}")).run("agent run"),
    }
}

fn running(facts: &Facts, status: &StatusView) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(daemon) = &status.daemon {
        findings.push(RUNNING.ok(format!("process {} runs since {}", daemon.pid, daemon.since)));
        let own = env!("CARGO_PKG_VERSION");
        findings.push(if daemon.version == own {
            VERSION.ok(format!("it is of version {own}"))
        } else {
            VERSION
                .found(format!("it is of version {}, this command of {own}", daemon.version))
                .run(VERSION.fix)
        });
        findings.push(match &daemon.ledger.problem {
            Some(problem) => LEDGER.found(problem).advise(LEDGER.fix),
            None => LEDGER.ok(format!("{} is healthy", daemon.ledger.path.display())),
        });
        findings.extend(daemon.privileges.iter().map(|kept| match kept.is_whole() {
            true => PRIVILEGES.ok(kept.sentence()),
            false => PRIVILEGES.found(kept.sentence()).advise(PRIVILEGES.fix),
        }));
        let days = facts.clock.now.duration_since(daemon.since).as_secs() / 86_400;
        findings.push(match status.mode.mode {
            Mode::Monitor if days >= TRIAL_DAYS => MONITOR
                .found(format!("mode is monitor, and it runs for {days} days"))
                .run(MONITOR.fix),
            mode => MONITOR.ok(format!("mode is {mode}")),
        });
    }
    findings.extend(interfaces(facts, status));
    let full = status.maps.iter().filter_map(|map| {
        let used = map.used.filter(|used| *used > 0 && used * 10 >= map.capacity * 9)?;
        Some(
            FULL.found(format!("{} has {used} of {} entries", map.name, map.capacity))
                .advise(FULL.fix),
        )
    });
    findings.extend(full);
    findings.extend(
        status
            .warnings
            .iter()
            .map(|warning| WARNING.found(warning).advise("see `agent status`")),
    );
    findings
}

fn interfaces(facts: &Facts, status: &StatusView) -> Vec<Finding> {
    let wanted = facts.config.file.iter().flat_map(|file| &file.interfaces);
    wanted
        .map(
            |name| match status.interfaces.iter().find(|link| link.interface == *name) {
                None => DETACHED
                    .found("the agent is not attached to it")
                    .advise("its log says why")
                    .run("systemctl restart levee")
                    .on(name),
                Some(link) if link.mode == XdpMode::Generic && has_native(facts, name) => GENERIC
                    .found("attached in generic mode")
                    .advise("in calm")
                    .run("agent detach && agent run")
                    .on(name),
                Some(link) => DETACHED.ok(format!("attached in {} mode", link.mode)).on(name),
            },
        )
        .collect()
}

fn has_native(facts: &Facts, name: &str) -> bool {
    let basic = |bits: &u64| bits & 1 != 0;
    facts
        .nics
        .iter()
        .any(|nic| nic.name == name && nic.xdp_features.as_ref().is_ok_and(basic))
}
