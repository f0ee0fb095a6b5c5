//! What both sides of the comparison protect: addresses of both families, each with a policy of its own, groups, lists.
//!
//! Time does not matter, because nothing that is drawn here comes near an instant: rates are either so high that nothing
//! exceeds them, or so low that what is used up comes back only after seconds (one SYN a second; 1,000 bits a second, with
//! frames whose lengths are multiples of 500 bytes, of which 31 fit the burst, and the next one 2.9 s later).

use std::{sync::LazyLock, time::Duration};

use agent::{
    config::units::{Amplification, Burst, Rate},
    tables::{
        AddressState, Blackhole, ForcedRung, GroupState, KernelSettings, KnownFor, Ladder, Limit, ListAction,
        ListEntry, Method, Mode, Rung, Vectors,
    },
    vectors::VectorRates,
};
use xdp_common::Preset;

use crate::random_packet::World;

/// Prefixes that share budgets.
const GROUPS: [&str; 2] = ["198.51.100.64/28", "2001:db8:1::40/124"];
const RESOLVERS: [&str; 2] = ["192.0.2.53", "2001:db8:53::53"];
/// Sources that completed a handshake.
pub const KNOWN: [&str; 2] = ["203.0.113.1", "2001:db8:2:1::1"];
const STRANGERS: [&str; 4] = ["203.0.113.2", "192.0.2.7", "2001:db8:2:2::1", "2001:db8:bad::1"];

fn limit(rate: u32, burst: u32) -> Limit {
    Limit {
        syn_rate: Rate::new(rate).expect("written here is what parses"),
        syn_burst: Burst::new(burst).expect("written here is what parses"),
    }
}

fn high() -> Limit {
    limit(10_000_000, 100_000_000)
}

fn lowest() -> Vectors {
    Vectors::from_each(|_| VectorRates {
        bits: "1k".parse().expect("written here is what parses"),
        ..VectorRates::default()
    })
}

/// Addresses of both families, each with a policy of its own.
#[must_use]
pub fn addresses() -> &'static [AddressState] {
    static ADDRESSES: LazyLock<Vec<AddressState>> = LazyLock::new(made);
    &ADDRESSES
}

fn made() -> Vec<AddressState> {
    let forced = |rung| Some(ForcedRung { rung, until: None });
    let endless = |all| Some(Blackhole { until: None, all });
    let by = |most, method| Ladder {
        most,
        method,
        hold: Duration::from_secs(3_600),
    };
    let mut states = Vec::new();
    for number in 0..17u8 {
        for prefix in ["198.51.100.", "2001:db8:1::"] {
            // The last three are in the groups.
            let host = if number < 14 { number } else { 0x40 + number - 14 };
            let address = match prefix {
                "198.51.100." => format!("{prefix}{host}"),
                _ => format!("{prefix}{host:x}"),
            };
            let mut state = AddressState::new(address.parse().expect("written here is what parses"), high());
            let every = Amplification::from_bits(Preset::EVERY);
            let some = Amplification::from_bits(Preset::Dns.bit() | Preset::Memcached.bit());
            match number {
                0 => {}
                1 => (state.local, state.vectors) = (true, lowest()),
                2 => state.vectors = lowest(),
                3 => (state.local, state.amplification) = (true, every),
                4 => (state.amplification, state.vectors) = (some, lowest()),
                5 => state.blackhole = endless(false),
                6 => (state.local, state.blackhole) = (true, endless(false)),
                7 => state.blackhole = endless(true),
                8 => (state.rung, state.ladder.method) = (forced(Rung::Verify), Method::Challenge),
                9 => (state.rung, state.ladder.method, state.local) = (forced(Rung::Verify), Method::Cookie, true),
                10 => (state.rung, state.ladder.method) = (forced(Rung::Known), Method::Challenge),
                11 => (state.rung, state.vectors, state.amplification) = (forced(Rung::Observe), lowest(), every),
                12 => state.limit = limit(1, 10),
                13 => (state.limit, state.ladder) = (limit(1, 10), by(Rung::Verify, Method::Challenge)),
                14 => state.ladder = by(Rung::Verify, Method::Challenge),
                15 => state.ladder = by(Rung::Limit, Method::Drop),
                _ => (state.ladder, state.vectors) = (by(Rung::Verify, Method::Drop), lowest()),
            }
            let group = GROUPS.map(|group| group.parse::<ipnet::IpNet>().expect("written here is what parses"));
            state.group = group.into_iter().find(|group| group.contains(&state.address));
            states.push(state);
        }
    }
    states
}

/// The groups of the last of them.
#[must_use]
pub fn groups() -> [GroupState; 2] {
    GROUPS.map(|prefix| GroupState {
        prefix: prefix.parse().expect("written here is what parses"),
        limit: Some(limit(1, 10)),
        vectors: lowest(),
        hold: Duration::from_secs(3_600),
    })
}

/// Sources that are allowed or blocked.
#[must_use]
pub fn list() -> [ListEntry; 4] {
    [
        ("192.0.2.0/24", ListAction::Block),
        ("192.0.2.53/32", ListAction::Allow),
        ("2001:db8:bad::/48", ListAction::Block),
        ("100.64.0.0/10", ListAction::Block),
    ]
    .map(|(prefix, action)| ListEntry {
        prefix: prefix.parse().expect("written here is what parses"),
        action,
        until: None,
    })
}

/// What holds for all.
#[must_use]
pub fn settings() -> KernelSettings {
    let [v4, v6] = RESOLVERS.map(|resolver| Some(resolver.parse().expect("written here is what parses")));
    KernelSettings {
        resolvers: [v4, v6, None, None],
        known_for: KnownFor::from_ticks(1_000),
        ..KernelSettings::new(Mode::Enforce, high())
    }
}

/// Who sends to whom.
///
/// # Panics
/// Never: what is parsed is written here.
#[must_use]
pub fn world() -> World {
    let sources = RESOLVERS.into_iter().chain(KNOWN).chain(STRANGERS);
    let states = addresses();
    let challenged = states.iter().filter(|state| state.ladder.method == Method::Challenge);
    let not_ours =
        ["198.51.100.250", "2001:db8:1::250"].map(|address| address.parse().expect("written here is what parses"));
    World {
        sources: sources
            .map(|source| source.parse().expect("written here is what parses"))
            .collect(),
        destinations: states.iter().map(|state| state.address).chain(not_ours).collect(),
        without_resets: challenged.map(|state| state.address).collect(),
    }
}
