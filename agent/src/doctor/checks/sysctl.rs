//! Settings of the network (sysctl(8)).

use crate::{
    doctor::{
        facts::{Facts, Nic, Way},
        finding::{
            Check, Finding,
            Severity::{Note, Warning},
        },
    },
    ladder::{MethodChoice, Syncookies},
};

pub(super) const ALL: &[&Check] = &[
    &SYNCOOKIES,
    &TIMESTAMPS,
    &WINDOW_SCALING,
    &SACK,
    &SYN_BACKLOG,
    &SOMAXCONN,
    &ABORT,
    &FORWARDING,
    &RP_FILTER,
    &BACKLOG,
    &CONNTRACK_MAX,
    &CONNTRACK_LOOSE,
];

static SYNCOOKIES: Check = Check {
    id: "sysctl.syncookies",
    severity: Warning,
    about: "This kernel makes no SYN cookies (net.ipv4.tcp_syncookies is 0).",
    why: "Addresses of this host are then protected by challenge, which costs each new client a round trip.",
    fix: "sysctl -w net.ipv4.tcp_syncookies=1",
};
static TIMESTAMPS: Check = Check {
    id: "sysctl.timestamps",
    severity: Warning,
    about: "net.ipv4.tcp_timestamps is not 2.",
    why: "Connections made by cookie have no window scaling, no SACK and no timestamps: long transfers are slow. Set it while \
          all is calm: cookies that are under way when it changes are lost.",
    fix: "sysctl -w net.ipv4.tcp_timestamps=2, or verify.set_sysctls = true in the configuration",
};
static WINDOW_SCALING: Check = Check {
    id: "sysctl.window_scaling",
    severity: Warning,
    about: "net.ipv4.tcp_window_scaling is 0.",
    why: "No connection has windows over 64 KiB, by cookie or not: long transfers are slow.",
    fix: "sysctl -w net.ipv4.tcp_window_scaling=1",
};
static SACK: Check = Check {
    id: "sysctl.sack",
    severity: Warning,
    about: "net.ipv4.tcp_sack is 0.",
    why: "A lost packet costs all that was sent after it, and in a flood packets are lost.",
    fix: "sysctl -w net.ipv4.tcp_sack=1",
};
static SYN_BACKLOG: Check = Check {
    id: "sysctl.syn_backlog",
    severity: Warning,
    about: "net.ipv4.tcp_max_syn_backlog is under 1024.",
    why: "What passes until an address is in verify fills the listeners' queues at once, and customers' SYNs with it.",
    fix: "sysctl -w net.ipv4.tcp_max_syn_backlog=4096",
};
static SOMAXCONN: Check = Check {
    id: "sysctl.somaxconn",
    severity: Warning,
    about: "net.core.somaxconn is under 1024.",
    why: "It caps each listener's queue, whatever the server asks for. Customers who come back after an attack come at once.",
    fix: "sysctl -w net.core.somaxconn=4096",
};
static ABORT: Check = Check {
    id: "sysctl.abort_on_overflow",
    severity: Warning,
    about: "net.ipv4.tcp_abort_on_overflow is not 0.",
    why: "A customer who finds a listener's queue full is reset, instead of being let in a moment later.",
    fix: "sysctl -w net.ipv4.tcp_abort_on_overflow=0",
};
static FORWARDING: Check = Check {
    id: "sysctl.forwarding",
    severity: Warning,
    about: "There are protected addresses that this host does not have, and it does not forward.",
    why: "What passes for them ends here. IPVS and user-space forwarders do without this sysctl.",
    fix: "sysctl -w net.ipv4.ip_forward=1 (IPv6: net.ipv6.conf.all.forwarding=1)",
};
static RP_FILTER: Check = Check {
    id: "sysctl.rp_filter",
    severity: Warning,
    about: "Strict reverse-path filtering, and routes by which answers leave through another interface.",
    why: "The kernel drops what comes in by an interface through which it would not answer: customers, after XDP let them pass.",
    fix: "sysctl -w net/ipv4/conf/IF/rp_filter=2",
};
static BACKLOG: Check = Check {
    id: "sysctl.netdev_max_backlog",
    severity: Note,
    about: "net.core.netdev_max_backlog is under 1000.",
    why: "With RPS, and on virtual interfaces, what passes waits in this queue, and is lost when it is full.",
    fix: "sysctl -w net.core.netdev_max_backlog=10000",
};
static CONNTRACK_MAX: Check = Check {
    id: "sysctl.conntrack_max",
    severity: Warning,
    about: "Connection tracking is loaded, and its table is small or nearly full.",
    why: "Each SYN that passes takes an entry. A full table drops every new connection, without a word from XDP.",
    fix: "sysctl -w net.netfilter.nf_conntrack_max=1048576",
};
static CONNTRACK_LOOSE: Check = Check {
    id: "sysctl.conntrack_loose",
    severity: Warning,
    about: "Connection tracking takes up no connection in its middle (nf_conntrack_tcp_loose is 0).",
    why: "It never saw the SYN of a connection that was made by cookie: the first segment is INVALID to it, and most firewalls \
          drop that, so customers stay out while an address is in verify.",
    fix: "sysctl -w net.netfilter.nf_conntrack_tcp_loose=1",
};

/// A queue that rides out what passes before an address is in verify.
const QUEUE_ENOUGH: u64 = 1_024;
/// The kernel's own default.
const BACKLOG_ENOUGH: u64 = 1_000;
/// What 4 GiB of memory get by default.
const CONNTRACK_ENOUGH: u64 = 262_144;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = tcp(facts);
    let least = |check: &'static Check, name: &str, enough: u64| {
        Some(match facts.sysctls.get(name) {
            Some(value) if value < enough => check.found(format!("{name} is {value}")).run(check.fix),
            Some(value) => check.ok(format!("{name} is {value}")),
            None => check.unseen(format!("this network namespace does not show {name}")),
        })
    };
    findings.extend(least(&SYN_BACKLOG, "net.ipv4.tcp_max_syn_backlog", QUEUE_ENOUGH));
    findings.extend(least(&SOMAXCONN, "net.core.somaxconn", QUEUE_ENOUGH));
    findings.push(match facts.sysctls.get("net.ipv4.tcp_abort_on_overflow") {
        Some(value) if value != 0 => ABORT
            .found(format!("net.ipv4.tcp_abort_on_overflow is {value}"))
            .run(ABORT.fix),
        _ => ABORT.ok("customers who find a full queue are let in a moment later"),
    });
    findings.extend(forwarding(facts));
    findings.extend(facts.nics.iter().map(|nic| rp_filter(facts, nic).on(&nic.name)));
    findings.extend(least(&BACKLOG, "net.core.netdev_max_backlog", BACKLOG_ENOUGH));
    findings.extend(conntrack(facts));
    findings
}

/// Whether any address of this host is to answer by cookie.
fn answers_by_cookie(facts: &Facts) -> bool {
    let Ok(config) = &facts.config.resolved else {
        return true;
    };
    let by_cookie = |method| matches!(method, MethodChoice::Auto | MethodChoice::Cookie);
    config
        .protected
        .values()
        .any(|address| address.local && by_cookie(address.method))
}

fn tcp(facts: &Facts) -> Vec<Finding> {
    let tcp = &facts.sysctls.tcp;
    let set_by_agent = facts.config.file.as_ref().is_some_and(|file| file.verify.set_sysctls);
    let cookies = answers_by_cookie(facts);
    let numbers = [
        (
            &SYNCOOKIES,
            "net.ipv4.tcp_syncookies",
            tcp.syncookies.sysctl(),
            tcp.syncookies == Syncookies::Never,
        ),
        (
            &TIMESTAMPS,
            "net.ipv4.tcp_timestamps",
            tcp.timestamps,
            tcp.timestamps != 2,
        ),
    ];
    let mut findings: Vec<Finding> = numbers
        .into_iter()
        .map(|(check, name, value, wrong)| match (wrong, cookies, set_by_agent) {
            (false, ..) => check.ok(format!("{name} is {value}")),
            (true, false, _) => check.ok(format!("{name} is {value}; no address of this host answers by cookie")),
            (true, true, true) => check.ok(format!("{name} is {value}; the agent sets it (verify.set_sysctls)")),
            (true, true, false) if check.id == TIMESTAMPS.id => {
                let command = "sysctl -w net.ipv4.tcp_timestamps=2";
                check.found(format!("{name} is {value}")).run(command)
            }
            (true, true, false) => check.found(format!("{name} is {value}")).run(check.fix),
        })
        .collect();
    for (check, name, on) in [
        (&WINDOW_SCALING, "net.ipv4.tcp_window_scaling", tcp.window_scaling),
        (&SACK, "net.ipv4.tcp_sack", tcp.sack),
    ] {
        findings.push(if on {
            check.ok(format!("{name} is 1"))
        } else {
            check.found(format!("{name} is 0")).run(check.fix)
        });
    }
    findings
}

fn forwarding(facts: &Facts) -> Option<Finding> {
    let passed_on = |v6: bool| {
        let by = |(address, way): (&std::net::IpAddr, &Way)| address.is_ipv6() == v6 && matches!(way, Way::By { .. });
        facts.config.ways.iter().any(by)
    };
    let families = [(false, "net.ipv4.ip_forward"), (true, "net.ipv6.conf.all.forwarding")];
    let off: Vec<&str> = families
        .into_iter()
        .filter(|(v6, name)| passed_on(*v6) && facts.sysctls.get(name) == Some(0))
        .map(|(_, name)| name)
        .collect();
    if off.is_empty() {
        let any = passed_on(false) || passed_on(true);
        return any.then(|| FORWARDING.ok("this host forwards"));
    }
    let seen = format!(
        "{} is 0, and protected addresses are behind this host",
        off.join(" and ")
    );
    let finding = FORWARDING.found(seen);
    Some(
        off.iter()
            .fold(finding, |finding, name| finding.run(format!("sysctl -w {name}=1"))),
    )
}

fn rp_filter(facts: &Facts, nic: &Nic) -> Finding {
    let of = |which: &str| facts.sysctls.get(&format!("net/ipv4/conf/{which}/rp_filter"));
    let (Some(all), Some(own)) = (of("all"), of(&nic.name)) else {
        return RP_FILTER.ok("this interface has no reverse-path filter");
    };
    // The kernel takes the larger one (Documentation/networking/ip-sysctl.rst).
    let strict = all.max(own) == 1;
    let elsewhere: Vec<&str> = facts
        .config
        .default_interfaces
        .iter()
        .map(String::as_str)
        .filter(|name| *name != nic.name && !nic.vlans.iter().any(|vlan| vlan == name))
        .collect();
    if strict && !elsewhere.is_empty() {
        return RP_FILTER
            .found(format!(
                "it is strict, and a default route leaves through {}",
                elsewhere.join(", ")
            ))
            .run(format!("sysctl -w net/ipv4/conf/{}/rp_filter=2", nic.name));
    }
    RP_FILTER.ok(if strict {
        "strict, and answers leave where questions come in"
    } else {
        "not strict"
    })
}

fn conntrack(facts: &Facts) -> Vec<Finding> {
    let get = |name: &str| facts.sysctls.get(&format!("net.netfilter.{name}"));
    let Some(most) = get("nf_conntrack_max") else {
        return vec![CONNTRACK_MAX.ok("connection tracking is not loaded")];
    };
    let used = get("nf_conntrack_count").unwrap_or(0);
    let nearly_full = used.saturating_mul(5) >= most.saturating_mul(4);
    let mut findings = vec![if most < CONNTRACK_ENOUGH || nearly_full {
        let wanted = most.saturating_mul(2).max(1_048_576);
        CONNTRACK_MAX
            .found(format!(
                "connection tracking has room for {most}, of which {used} are in use"
            ))
            .run(format!("sysctl -w net.netfilter.nf_conntrack_max={wanted}"))
    } else {
        CONNTRACK_MAX.ok(format!(
            "connection tracking has room for {most}, of which {used} are in use"
        ))
    }];
    findings.push(match get("nf_conntrack_tcp_loose") {
        Some(0) if answers_by_cookie(facts) => CONNTRACK_LOOSE
            .found("net.netfilter.nf_conntrack_tcp_loose is 0")
            .run(CONNTRACK_LOOSE.fix),
        _ => CONNTRACK_LOOSE.ok("connection tracking takes up connections that were made by cookie"),
    });
    findings
}
