//! What a load balancer's owner can put between a flood and nginx, each in a lab of its own.

use anyhow::Result;
use serde::Serialize;

use crate::{
    addresses::vips,
    child::Running,
    command,
    comparison::Comparator,
    levee::{Agent, Settings},
    server,
    topology::{BALANCER_INTERFACE, Topology},
};

/// SYNs per second that one source may send, for the defences that count by source: ten times what a customer of the
/// fixed load sends in calm, and three times what one of the closed load does.
const SOURCE_SYN_RATE: u32 = 1_000;

/// A defence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Defence {
    /// A filter that knows where the flood comes from: nothing can be better.
    Ceiling,
    /// The kernel's SYN cookies when its queue is full, with queues as long as an operator makes them.
    Kernel,
    /// nftables' SYNPROXY.
    Synproxy,
    /// iptables' hashlimit for each source.
    Hashlimit,
    /// The agent.
    Levee,
}

impl Defence {
    /// Its name in tables.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ceiling => "ceiling",
            Self::Kernel => "kernel syncookies",
            Self::Synproxy => "nft synproxy",
            Self::Hashlimit => "hashlimit per source",
            Self::Levee => "Levee",
        }
    }
}

/// A load balancer with its web server, and a defence in force. Dropping it takes everything down.
#[derive(Debug)]
pub(super) struct Defended {
    // The order is that of dropping.
    _guard: Guard,
    _server: Running,
    pub(super) topology: Topology,
}

/// What must live as long as the defence. Rules and sysctls go with their namespace.
#[derive(Debug)]
enum Guard {
    Namespace,
    Program { _attached: Comparator },
    Agent { _running: Agent },
}

impl Defended {
    /// Brings up a lab with this defence.
    pub(super) fn by(defence: Defence) -> Result<Self> {
        let (server, topology) = undefended()?;
        let guard = match defence {
            Defence::Ceiling => ceiling(&topology)?,
            Defence::Kernel => Guard::Namespace,
            Defence::Synproxy => synproxy(&topology).map(|()| Guard::Namespace)?,
            Defence::Hashlimit => hashlimit(&topology).map(|()| Guard::Namespace)?,
            Defence::Levee => Guard::Agent {
                _running: levee(&topology)?,
            },
        };
        Ok(Self {
            _guard: guard,
            _server: server,
            topology,
        })
    }
}

/// A load balancer with its web server and queues as long as an operator who expects floods makes them. The kernel's SYN
/// cookies are on when they are full, as they are everywhere by default.
pub(in crate::bench) fn undefended() -> Result<(Running, Topology)> {
    let topology = Topology::direct()?;
    topology.balancer().set_sysctls(&[
        ("net/core/somaxconn", "65535"),
        ("net/ipv4/tcp_max_syn_backlog", "65535"),
        ("net/ipv4/tcp_syncookies", "1"),
    ])?;
    let server = server::start(&topology, false)?;
    Ok((server, topology))
}

/// Starts the agent as an operator configures it who lets it set the sysctls it needs.
pub(super) fn levee(topology: &Topology) -> Result<Agent> {
    let settings = Settings {
        source_syn_rate: SOURCE_SYN_RATE,
        source_syn_burst: SOURCE_SYN_RATE,
        more: "[verify]\nset_sysctls = true\n".to_owned(),
        ..Settings::default()
    };
    let agent = Agent::start(topology, &settings, false)?;
    agent.wait_for_sysctls(topology)?;
    Ok(agent)
}

fn ceiling(topology: &Topology) -> Result<Guard> {
    let attached = topology.balancer().enter(|| {
        let mut filter = Comparator::load("ceiling", None)?;
        filter.attach(BALANCER_INTERFACE)?;
        Ok(filter)
    })?;
    Ok(Guard::Program { _attached: attached })
}

/// As nft(8) shows it: SYNs untracked, answered by the proxy, and connection tracking strict.
///
/// Without timestamps: a recent kernel drops an acknowledgement that echoes none of its SYN-ACK's (counter `TSEcrRejected`), so
/// the proxy's whenever the millisecond has changed since the proxy's own SYN-ACK, and the customer hangs for 1.7 s.
pub(in crate::bench) fn synproxy(topology: &Topology) -> Result<()> {
    let rules = format!(
        "table ip guard {{\n\
             chain before {{\n\
                 type filter hook prerouting priority raw;\n\
                 iifname \"{BALANCER_INTERFACE}\" tcp dport {port} tcp flags & (fin|syn|rst|ack) == syn notrack\n\
             }}\n\
             chain inside {{\n\
                 type filter hook input priority filter;\n\
                 tcp dport {port} ct state invalid,untracked synproxy mss 1460 wscale 7 sack-perm\n\
                 tcp dport {port} ct state invalid drop\n\
             }}\n\
         }}\n",
        port = server::PORT
    );
    let mut nft = topology.balancer().command("nft");
    command::output_with_input(nft.args(["-f", "-"]), &rules)?;
    topology
        .balancer()
        .set_sysctls(&[("net/netfilter/nf_conntrack_tcp_loose", "0")])
}

/// As early as iptables can, and without connection tracking.
fn hashlimit(topology: &Topology) -> Result<()> {
    let rate = format!("{SOURCE_SYN_RATE}/second");
    let burst = SOURCE_SYN_RATE.to_string();
    let port = server::PORT.to_string();
    let mut iptables = topology.balancer().command("iptables");
    iptables
        .args(["-t", "raw", "-A", "PREROUTING", "-i", BALANCER_INTERFACE])
        .args(["-p", "tcp", "--syn", "--dport", &port])
        .args([
            "-m",
            "hashlimit",
            "--hashlimit-name",
            "syn",
            "--hashlimit-mode",
            "srcip",
        ])
        .args(["--hashlimit-above", &rate, "--hashlimit-burst", &burst])
        .args(["-j", "DROP"]);
    command::output(&mut iptables)?;
    Ok(())
}

/// The address that everybody goes to.
pub(super) fn target() -> String {
    vips()[0].to_string()
}
