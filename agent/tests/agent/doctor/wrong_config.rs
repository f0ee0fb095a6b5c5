//! Wrong configurations, and agents that need help.

use agent::{
    config::Problem,
    control::api::StatusView,
    doctor::facts::{AgentFacts, Facts, Way},
    tables::{MapFill, Mode, XdpMode},
};

use super::{
    Row,
    healthy::{configure, ip, said},
    hold,
};

fn way(facts: &mut Facts, way: Way) {
    facts.config.ways.insert(ip("203.0.113.8"), way);
}

fn ledger(status: &mut StatusView) -> &mut Option<String> {
    &mut status.daemon.as_mut().expect("it runs").ledger.problem
}

fn by(next_hop: &str, dead: bool) -> Way {
    Way::By {
        interface: "eth1".to_owned(),
        next_hop: Some(ip(next_hop)),
        dead,
    }
}

const CONFIG: &[Row] = &[
    (
        "a wrong value",
        |f| f.config.resolved = Err(vec![Problem::new("mode", "\"on\"", "is not understood")]),
        "config.invalid",
        "agent check-config /etc/levee/agent.toml",
    ),
    (
        "something odd",
        |f| configure(f, "[metrics]\nlisten = '0.0.0.0:9666'"),
        "config.odd",
        "the setting",
    ),
    (
        "a default route elsewhere",
        |f| f.config.default_interfaces = vec!["eth0".to_owned(), "wlan0".to_owned()],
        "config.interfaces",
        "interfaces",
    ),
    (
        "an address that nobody has",
        |f| way(f, Way::None("network is unreachable".to_owned())),
        "config.unreachable",
        "ip address add 203.0.113.8 dev lo",
    ),
    (
        "an address back where it came from",
        |f| way(f, by("192.0.2.1", false)),
        "config.default_route",
        "a route",
    ),
    (
        "a dead backend",
        |f| way(f, by("10.0.0.8", true)),
        "config.backend",
        "ip neighbour show dev eth1",
    ),
    (
        "a lock-out",
        |f| f.config.ssh_peer = Some(ip("198.51.100.9")),
        "config.ssh",
        "agent allow-ip 198.51.100.9",
    ),
];

const AGENT: &[Row] = &[
    (
        "none runs",
        |f| f.agent = AgentFacts::NotRunning("/run/levee/agent.sock".into()),
        "agent.running",
        "agent run",
    ),
    (
        "it does not speak to us",
        |f| f.agent = AgentFacts::Unknown("no permission".to_owned()),
        "agent.running",
        "",
    ),
    (
        "it is dead, and protection is not",
        |f| {
            f.agent = AgentFacts::NotRunning("/run/levee/agent.sock".into());
            f.xdp.pinned = Ok([("eth0".to_owned(), None)].into());
        },
        "agent.dead",
        "systemctl start levee",
    ),
    (
        "not attached",
        |f| said(f).interfaces.clear(),
        "agent.detached",
        "systemctl restart levee",
    ),
    (
        "attached the slow way",
        |f| said(f).interfaces[0].mode = XdpMode::Generic,
        "agent.generic",
        "agent detach && agent run",
    ),
    (
        "a sick ledger",
        |f| *ledger(said(f)) = Some("it is on a full disk".to_owned()),
        "agent.ledger",
        "state.directory",
    ),
    (
        "rights that were kept",
        |f| {
            let kept = said(f).daemon.as_mut().and_then(|daemon| daemon.privileges.as_mut());
            kept.expect("it says").landlock = false;
        },
        "agent.privileges",
        "privileges.drop = true",
    ),
    (
        "a trial that did not end",
        |f| {
            let week = jiff::SignedDuration::from_hours(8 * 24);
            said(f).mode.mode = Mode::Monitor;
            said(f).daemon.as_mut().expect("it runs").since = jiff::Timestamp::now() - week;
        },
        "agent.monitor",
        "agent mode set enforce",
    ),
    (
        "a warning",
        |f| said(f).warnings = vec!["no metrics are served".to_owned()],
        "agent.warning",
        "agent status",
    ),
    (
        "a full table",
        |f| {
            said(f).maps = vec![MapFill {
                name: "SOURCE_LIST".to_owned(),
                used: Some(15_000),
                capacity: 16_384,
                memory_bytes: 0,
            }];
        },
        "agent.full",
        "limit",
    ),
    (
        "another version",
        |f| said(f).daemon.as_mut().expect("it runs").version = "0.0.9".to_owned(),
        "agent.version",
        "systemctl restart levee",
    ),
];

#[test]
fn wrong_configurations() {
    hold(CONFIG);
}

#[test]
fn agents_that_need_help() {
    hold(AGENT);
}
