//! The configuration: what is wrong with it, and what it leaves out on this host.

use std::net::IpAddr;

use crate::{
    decide::say,
    doctor::{
        facts::{Facts, InterfacesFrom, Way},
        finding::{
            Check, Finding,
            Severity::{Note, Problem, Warning},
        },
    },
    lists,
    tables::{ListAction, Mode},
};

pub(super) const ALL: &[&Check] = &[
    &INVALID,
    &ODD,
    &INTERFACES,
    &UNREACHABLE,
    &DEFAULT_ROUTE,
    &BACKEND,
    &SSH,
    &MONITOR,
];

static INVALID: Check = Check {
    id: "config.invalid",
    severity: Problem,
    about: "The configuration cannot be read, or something in it is wrong.",
    why: "The agent does not start with it, and a running one does not reload it.",
    fix: "agent check-config FILE tells it all; agent config example has every setting",
};
static ODD: Check = Check {
    id: "config.odd",
    severity: Warning,
    about: "Something in the configuration is allowed, and likely not meant.",
    why: "`agent check-config` tells the same.",
    fix: "the setting that it names",
};
static INTERFACES: Check = Check {
    id: "config.interfaces",
    severity: Warning,
    about: "A default route uses an interface that is not in `interfaces`.",
    why: "Packets from outside likely arrive there too, and are not judged.",
    fix: "add it to `interfaces`, unless nothing from outside comes that way",
};
static UNREACHABLE: Check = Check {
    id: "config.unreachable",
    severity: Problem,
    about: "No interface has a protected address, and no route leads to it.",
    why: "What passes for it goes nowhere: a typing error, an address that has moved, or a backend's route that is missing.",
    fix: "ip address add ADDRESS dev lo, a route to it, or `protect` without it",
};
static DEFAULT_ROUTE: Check = Check {
    id: "config.default_route",
    severity: Warning,
    about: "The only way to a protected address is back through a default gateway.",
    why: "This host neither has the address nor a way of its own to it. An anycast address that is withdrawn looks like that, too.",
    fix: "ip address add ADDRESS dev lo, a route to it, or `protect` without it",
};
static BACKEND: Check = Check {
    id: "config.backend",
    severity: Warning,
    about: "The next hop to a protected address does not answer (ARP, neighbour discovery).",
    why: "What passes for the address is lost behind this host.",
    fix: "look at the backend; ip neighbour show dev IF",
};
static SSH: Check = Check {
    id: "config.ssh",
    severity: Warning,
    about: "The address that you are logged in from is not on the allowlist.",
    why: "A block, a list or a source's rate may lock you out, and an attack may keep you from logging in again.",
    fix: "add it to `allow` in the configuration, and now: agent allow-ip ADDRESS",
};
static MONITOR: Check = Check {
    id: "config.monitor",
    severity: Note,
    about: "mode is \"monitor\".",
    why: "Everything is counted, and nothing is dropped. Right for a start, not for an attack.",
    fix: "agent mode set enforce, once `agent stats` shows nobody who should not be dropped",
};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let config = &facts.config;
    let path = super::permissions::quoted(&config.path);
    let directory = config
        .path
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty());
    let directory = directory.map(|directory| format!("mkdir -p {} && ", super::permissions::quoted(directory)));
    let directory = directory.unwrap_or_default();
    let mut findings = Vec::new();
    match &config.resolved {
        Err(problems) => findings.extend(problems.iter().map(|problem| {
            let finding = INVALID.found(format!("{}: {}", config.path.display(), problem.to_string().trim_end()));
            match &config.file {
                None if !config.is_there => finding.run(format!("{directory}agent config example > {path}")),
                _ => finding.run(format!("agent check-config {path}")),
            }
        })),
        Ok(resolved) => {
            findings.push(INVALID.ok(format!("{} is sound", config.path.display())));
            findings.extend(
                resolved
                    .warnings
                    .iter()
                    .map(|problem| ODD.found(problem.to_string()).advise(ODD.fix)),
            );
            findings.push(match resolved.mode {
                Mode::Monitor => MONITOR.found("mode is \"monitor\"").run("agent mode set enforce"),
                Mode::Enforce => MONITOR.ok("mode is \"enforce\""),
            });
            findings.extend(ways(facts));
        }
    }
    findings.extend(interfaces(facts));
    findings.extend(ssh(facts));
    findings
}

fn interfaces(facts: &Facts) -> Option<Finding> {
    if facts.config.interfaces_from != InterfacesFrom::Config {
        return None;
    }
    let named = |name: &&String| {
        !facts
            .nics
            .iter()
            .any(|nic| nic.name == **name || nic.vlans.contains(*name))
    };
    let missing: Vec<&str> = facts
        .config
        .default_interfaces
        .iter()
        .filter(named)
        .map(String::as_str)
        .collect();
    Some(match &missing[..] {
        [] => INTERFACES.ok("every default route uses an interface of the configuration"),
        names => INTERFACES
            .found(format!("a default route uses {}", names.join(", ")))
            .advise(INTERFACES.fix),
    })
}

fn ways(facts: &Facts) -> Vec<Finding> {
    let ways = &facts.config.ways;
    let addresses = |wanted: &dyn Fn(&Way) -> bool| -> Vec<IpAddr> {
        ways.iter()
            .filter(|(_, way)| wanted(way))
            .map(|(address, _)| *address)
            .collect()
    };
    let back = |way: &Way| matches!(way, Way::By { next_hop: Some(hop), .. } if facts.config.gateways.contains(hop));
    let mut findings = Vec::new();
    let none = addresses(&|way| matches!(way, Way::None(_)));
    findings.push(if let Some(first) = none.first() {
        let Some(Way::None(error)) = ways.get(first) else {
            unreachable!("it was found by that")
        };
        UNREACHABLE
            .found(format!("nothing leads to {} ({error})", say::some_of(&none)))
            .advise("a route to the backend, or `protect` without it; if it is to be this host's:")
            .run(format!("ip address add {first} dev lo"))
    } else {
        UNREACHABLE.ok("every protected address is this host's, or a route leads to it")
    });
    let through = addresses(&back);
    findings.push(if let Some(first) = through.first() {
        DEFAULT_ROUTE
            .found(format!("only a default route leads to {}", say::some_of(&through)))
            .advise("a route to the backend, or `protect` without it; if it is to be this host's:")
            .run(format!("ip address add {first} dev lo"))
    } else {
        DEFAULT_ROUTE.ok("no protected address is only behind a default gateway")
    });
    let dead = addresses(&|way| matches!(way, Way::By { dead: true, .. }) && !back(way));
    findings.push(
        if let Some(Way::By {
            interface, next_hop, ..
        }) = dead.first().and_then(|first| ways.get(first))
        {
            let hop = next_hop.map_or_else(|| "it".to_owned(), |hop| hop.to_string());
            BACKEND
                .found(format!(
                    "{hop} on {interface} does not answer; it is the way to {}",
                    say::some_of(&dead)
                ))
                .advise(format!("look at the backend: ip neighbour show dev {interface}"))
        } else {
            BACKEND.ok("no next hop to a protected address is known to be dead")
        },
    );
    findings
}

fn ssh(facts: &Facts) -> Option<Finding> {
    let peer = facts.config.ssh_peer?;
    let Ok(config) = &facts.config.resolved else {
        return None;
    };
    Some(match lists::deciding(&config.list, peer.into()) {
        Some((_, ListAction::Allow)) => SSH.ok(format!("{peer}, from where you are logged in, is on the allowlist")),
        _ => SSH
            .found(format!("you are logged in from {peer}, which `allow` does not have"))
            .advise(format!(
                "allow = [\"{peer}\"] in the configuration (with others that administer this host), and now:"
            ))
            .run(format!("agent allow-ip {peer} --reason administration")),
    })
}
