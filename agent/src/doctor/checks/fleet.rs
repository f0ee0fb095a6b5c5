//! The fleet's etcd: whether it answers, and what is wrong with the files by which this node shows who it is.

use std::net::IpAddr;

use super::permissions::quoted;
use crate::doctor::{
    facts::{Facts, FleetFacts, FleetFile},
    finding::{Check, Finding, Severity::Warning},
};

pub(super) const ALL: &[&Check] = &[&ETCD, &PLAIN, &FILE, &KEY_OPEN, &CERTIFICATE, &PASSWORD];

static ETCD: Check = Check {
    id: "fleet.etcd",
    severity: Warning,
    about: "An endpoint of `fleet.endpoints` does not take a TCP connection within a second.",
    why: "Without any of them this node is cut off: what others decide does not reach it. Without one of them there is one less \
          to turn to.",
    fix: "etcdctl --endpoints=URL endpoint health; then the firewall, the route, or `fleet.endpoints`",
};
static PLAIN: Check = Check {
    id: "fleet.plain",
    severity: Warning,
    about: "etcd is spoken to without TLS, and not on this host.",
    why: "Whoever is on the way reads the password, and can then block anything on every node.",
    fix: "https:// in `fleet.endpoints`, with `fleet.ca`, and TLS at etcd",
};
static FILE: Check = Check {
    id: "fleet.file",
    severity: Warning,
    about: "A file of `fleet.ca`, `fleet.cert` or `fleet.key` cannot be read, or holds no certificate.",
    why: "There is no connection to etcd without it, so this node is cut off from its fleet.",
    fix: "ls -l FILE; put it there, or name another one in `[fleet]`",
};
static KEY_OPEN: Check = Check {
    id: "fleet.key_open",
    severity: Warning,
    about: "Everybody on this host can read or write the file of `fleet.key`.",
    why: "Whoever has an account here can be this node at etcd, and block anything on every node.",
    fix: "chmod 600 FILE",
};
static CERTIFICATE: Check = Check {
    id: "fleet.certificate",
    severity: Warning,
    about: "A certificate of `fleet.ca` or `fleet.cert` has ended, or ends within 14 days.",
    why: "From then on etcd and this node refuse each other, and all nodes with such a certificate are cut off at once.",
    fix: "openssl x509 -noout -subject -enddate -in FILE; renew it",
};
static PASSWORD: Check = Check {
    id: "fleet.password",
    severity: Warning,
    about: "The file of `fleet.password` cannot be read, or everybody on this host can read it.",
    why: "Without it etcd refuses this node; who has it can block anything on every node.",
    fix: "chmod 600 FILE",
};

/// A certificate that ends sooner should be renewed now, days.
const SOON: i64 = 14;
/// Permissions of everybody to read or write.
const OPEN: u32 = 0o006;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let Some(fleet) = &facts.fleet else {
        return Vec::new();
    };
    let mut findings = endpoints(fleet);
    for file in &fleet.files {
        findings.extend(judge(file, facts));
    }
    match &fleet.password {
        Some(odd) => {
            let finding = PASSWORD.found(odd.clone());
            findings.push(finding.advise("the agent's user must be able to read it, and nobody else: mode 0600"));
        }
        None => findings.push(PASSWORD.ok("nothing is odd about it")),
    }
    findings
}

fn endpoints(fleet: &FleetFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (endpoint, answer) in &fleet.endpoints {
        findings.push(match answer {
            Ok(()) => ETCD.ok(format!("{endpoint} answers")),
            Err(why) => ETCD
                .found(format!("{endpoint}: {why}"))
                .advise("if etcd runs there: the firewall, the route, or `fleet.endpoints`")
                .run(format!("etcdctl --endpoints={endpoint} endpoint health")),
        });
    }
    let plain: Vec<&str> = fleet
        .endpoints
        .iter()
        .map(|(endpoint, _)| &**endpoint)
        .filter(|endpoint| is_plain_and_away(endpoint))
        .collect();
    findings.push(if plain.is_empty() {
        PLAIN.ok("TLS, or etcd on this host")
    } else {
        PLAIN.found(plain.join(", ")).advise(PLAIN.fix)
    });
    findings
}

fn is_plain_and_away(endpoint: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(endpoint) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "http" && !here
}

fn judge(file: &FleetFile, facts: &Facts) -> Vec<Finding> {
    let (key, shown) = (file.key, file.path.display());
    let path = quoted(&file.path);
    let mut findings = vec![match &file.mode {
        Ok(_) => FILE.ok(format!("{key} can be read")),
        Err(why) if !facts.permissions.root => FILE.unseen(why),
        Err(why) => FILE
            .found(format!("{key}: {why}"))
            .advise("put it there, or name another one in [fleet]")
            .run(format!("ls -l {path}")),
    }];
    if let (true, Ok(mode)) = (key == "fleet.key", &file.mode) {
        findings.push(if mode & OPEN == 0 {
            KEY_OPEN.ok("not everybody can read it")
        } else {
            KEY_OPEN
                .found(format!("the permissions of {shown} are {:o}", mode & 0o7777))
                .run(format!("chmod 600 {path}"))
        });
    }
    match &file.ends {
        None => {}
        Some(Err(why)) => findings.push(
            FILE.found(format!("{key}: {why}"))
                .run(format!("openssl x509 -noout -subject -enddate -in {path}")),
        ),
        Some(Ok(end)) => {
            let left = end.duration_since(facts.clock.now).as_hours() / 24;
            let day = end.strftime("%Y-%m-%d");
            findings.push(if *end <= facts.clock.now {
                certificate(format!("{shown} ended on {day}"), &path)
            } else if left < SOON {
                certificate(format!("{shown} ends on {day}, in {left} days"), &path)
            } else {
                CERTIFICATE.ok(format!("{shown} ends on {day}"))
            });
        }
    }
    findings
}

fn certificate(seen: String, path: &str) -> Finding {
    CERTIFICATE
        .found(seen)
        .advise("renew it, then `agent reload`")
        .run(format!("openssl x509 -noout -subject -enddate -in {path}"))
}
