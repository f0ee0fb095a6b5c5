//! What an agent says in these tests.

use std::net::{IpAddr, Ipv4Addr};

use agent::{
    config::units::{Burst, Rate},
    control::api::{
        AddressLine, AddressStatsView, AddressView, AllSourcesView, Done, HostView, LedgerView, ModeView, OverviewView,
        PrefixView, PreviewView, RatesView, ReachView, ReasonRate, RungView, SafeAddressView, SourceView, SourcesView,
        TrafficView,
    },
    detect::{Attack, AttackVector, Peaks, Subject},
    ladder::{Method, Rung},
    tables::{Limit, LinkState, MapFill, Mode, XdpMode},
    top::message::Extra,
};
use jiff::{SignedDuration, Timestamp};

use super::world::start;

pub(crate) fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, number).into()
}

pub(crate) fn limit() -> Limit {
    Limit {
        syn_rate: Rate::new(20_000).expect("rate"),
        syn_burst: Burst::new(20_000).expect("burst"),
    }
}

/// An address that has nothing to fear.
pub(crate) fn calm(address: IpAddr) -> AddressLine {
    AddressLine {
        address,
        rung: "limit".to_owned(),
        forced: false,
        pressure: 0.05,
        limit: limit(),
        rates: RatesView {
            syn_pps: 1_000.0,
            pass_pps: 9_000.0,
            handshakes_pps: 990.0,
            ..RatesView::default()
        },
        local: true,
        over_since: None,
        attack: None,
        syn_series: vec![1_000; 120],
        elsewhere_pps: None,
    }
}

/// One that is attacked since 02:11:35.
pub(crate) fn flooded(address: IpAddr) -> AddressLine {
    let mut syn_series = vec![1_000; 60];
    syn_series.extend([412_000; 60]);
    AddressLine {
        rung: "verify".to_owned(),
        pressure: 20.6,
        rates: RatesView {
            syn_pps: 412_345.0,
            pass_pps: 24_000.0,
            drop_pps: 210_000.0,
            reply_pps: 180_000.0,
            handshakes_pps: 1_900.0,
        },
        over_since: Some(since()),
        attack: Some(12),
        syn_series,
        ..calm(address)
    }
}

fn since() -> Timestamp {
    start() - SignedDuration::from_secs(152)
}

pub(crate) fn attack(subject: IpAddr) -> Attack {
    Attack {
        id: 12,
        subject: Subject::Address(subject),
        started: since(),
        detected: since(),
        last_excess: start(),
        ended: None,
        vectors: [AttackVector::Syn].into(),
        rungs: [Rung::Verify].into(),
        peaks: Peaks {
            syn: 450_000.0,
            packets: 460_000.0,
            distinct_sources: 1.2e6,
            ..Peaks::default()
        },
        impact_seconds: 12.0,
        fleet: None,
    }
}

pub(crate) fn overview(addresses: Vec<AddressLine>) -> OverviewView {
    OverviewView {
        upstream: None,
        fleet: None,
        at: start(),
        since: start() - SignedDuration::from_hours(76),
        version: "0.1.0".to_owned(),
        mode: mode(),
        protected: addresses.len(),
        matched: addresses.len(),
        attacks: addresses
            .iter()
            .filter(|line| line.attack.is_some())
            .map(|line| attack(line.address))
            .collect(),
        rates: RatesView {
            syn_pps: 413_345.0,
            pass_pps: 33_000.0,
            drop_pps: 210_000.0,
            reply_pps: 180_000.0,
            handshakes_pps: 2_890.0,
        },
        syn_series: vec![2_000; 120],
        addresses,
        reasons: reasons(),
        sources: AllSourcesView {
            distinct: Some(1.2e6),
            top10_share: 0.01,
            ..AllSourcesView::default()
        },
        prefixes: vec![PrefixView {
            prefix: "198.51.100.0/24".parse().expect("prefix"),
            traffic: traffic(),
            last: start(),
            listed: None,
        }],
        host: HostView {
            saturated: false,
            receive_drops_pps: 0.0,
            softirq: 0.43,
            interfaces: vec![LinkState {
                interface: "eth0".to_owned(),
                mode: XdpMode::Native,
                warning: None,
            }],
            maps: vec![MapFill {
                name: "SOURCES".to_owned(),
                used: Some(100),
                capacity: 65_536,
                memory_bytes: 1,
            }],
        },
        ledger: LedgerView {
            path: "/var/lib/levee/ledger.db".into(),
            healthy: true,
            problem: None,
        },
        warnings: Vec::new(),
    }
}

fn mode() -> ModeView {
    ModeView {
        mode: Mode::Enforce,
        configured: Some(Mode::Enforce),
        set_by: None,
    }
}

fn reasons() -> Vec<ReasonRate> {
    let reason = |action: &str, reason: &str, pps| ReasonRate {
        reason: reason.to_owned(),
        action: action.to_owned(),
        pps,
    };
    vec![
        reason("drop", "address_rate", 210_000.0),
        reason("reply", "cookie", 180_000.0),
        reason("pass", "tcp", 30_000.0),
    ]
}

fn traffic() -> TrafficView {
    TrafficView {
        packets_pps: 4_100.0,
        bits_per_s: 2.1e6,
        syn_pps: 4_000.0,
        drop_pps: 3_900.0,
        share: 0.01,
    }
}

/// Three addresses, the second of which is attacked; the agent has them by pressure.
pub(crate) fn night() -> OverviewView {
    overview(vec![
        flooded(address(7)),
        calm(address(8)),
        calm("2001:db8::7".parse().expect("address")),
    ])
}

pub(crate) fn sources() -> Extra {
    Extra::Sources(SourcesView {
        all: AllSourcesView::default(),
        recorded: 1,
        limit: limit(),
        sources: vec![source("198.51.100.23/32"), source("198.51.100.24/32")],
    })
}

fn source(net: &str) -> SourceView {
    SourceView {
        source: net.parse().expect("prefix"),
        traffic: traffic(),
        over_pps: 0.0,
        syns_within: 0,
        syns_over: 0,
        since: start(),
        last: start(),
        listed: None,
    }
}

/// One address, closely.
pub(crate) fn closely(line: AddressLine) -> AddressView {
    let address = line.address;
    AddressView {
        at: start(),
        mode: mode(),
        stats: AddressStatsView {
            address: Some(address),
            limit: Some(line.limit),
            vectors: None,
            rung: Some(line.rung.clone()),
            rung_since: None,
            method: None,
            local: true,
            handshakes: 0,
            rates: line.rates,
            over_since: line.over_since,
            packets: [].into(),
        },
        rung: RungView {
            address,
            rung: line.rung.clone(),
            since: Some(since()),
            forced: None,
            automatic: None,
            ceiling: None,
            highest: Rung::Verify,
            method: Method::Cookie,
            syn_pps: None,
            handshakes_pps: None,
        },
        safe: SafeAddressView {
            address,
            safe: false,
            why: "attack 12 goes on: 412345 packets/s arrive".to_owned(),
            rung: line.rung.clone(),
            residual_pps: 412_345.0,
            seconds_since_excess: Some(0.0),
            cooldown_left_seconds: 300.0,
            attack: Some(12),
            fleet: None,
        },
        line,
        reasons: reasons(),
        groups: Vec::new(),
        sources: vec![source("198.51.100.23/32")],
        attacks: vec![attack(address)],
    }
}

/// What the agent says that an order would do.
pub(crate) fn preview(command: &str) -> PreviewView {
    PreviewView {
        command: command.to_owned(),
        done: Done {
            message: "done".to_owned(),
            ..Done::default()
        },
        reach: ReachView {
            addresses: 1,
            rates: Some(RatesView {
                syn_pps: 412_345.0,
                ..RatesView::default()
            }),
            source_pps: None,
            connections: 812,
            consequence: "New customers are shut out.".to_owned(),
        },
    }
}
