//! What the kernel's tables are told, told to the model: the same settings, addresses and list entries in plain memory.

use std::net::IpAddr;

use agent::tables::{AddressState, GroupState, KernelSettings, ListAction, ListEntry, Method, Rung, Vectors};
use ipnet::IpNet;
use xdp_common::{
    Address, AddressPolicy, Method as KernelMethod, Rung as KernelRung, Vector,
    cost::CostLimit,
    rate,
    vector::{VectorLimit, look},
};

use crate::host_tables::HostTables;

/// The first slot of a group: behind all addresses of any test.
const GROUP_SLOTS: u32 = 1_000_000;

fn limit(limit: agent::tables::Limit, part: u32) -> rate::Limit {
    let of = |whole: u32| (whole / part).max(1);
    rate::Limit::new(of(limit.syn_rate.per_second()), of(limit.syn_burst.events()))
}

const fn rung(rung: Rung) -> u8 {
    (match rung {
        Rung::Observe => KernelRung::Observe,
        Rung::Limit => KernelRung::Limit,
        Rung::Verify => KernelRung::Verify,
        Rung::Known | Rung::Blackhole | Rung::Upstream => KernelRung::Known,
    }) as u8
}

const fn method(method: Method) -> u8 {
    (match method {
        Method::Drop => KernelMethod::Drop,
        Method::Cookie => KernelMethod::Cookie,
        Method::Challenge => KernelMethod::Challenge,
    }) as u8
}

fn until_ns(until: Option<agent::tables::MonotonicNs>) -> u64 {
    until.map_or(u64::MAX, |until| until.0)
}

impl HostTables {
    /// The settings that decide verdicts.
    pub fn put_settings(&mut self, settings: &KernelSettings) {
        self.settings.source_syn = limit(settings.source_limit, 1);
        self.settings.known_ticks = settings.known_for.ticks();
        self.settings.resolvers = settings
            .resolvers
            .map(|resolver| resolver.map_or_else(Address::default, Address::from));
    }

    /// Adds or replaces a protected address.
    pub fn put_address(&mut self, state: &AddressState) {
        let address = Address::from(state.address);
        let next = self.policies.len() as u32 + 1;
        let slot = self.policies.get(&address).map_or(next, |policy| policy.slot);
        self.put_vectors(slot, &state.vectors);
        let amplification = state.amplification.bits();
        let amplified = if amplification == 0 { 0 } else { look::AMPLIFICATION };
        let policy = AddressPolicy {
            syn: limit(state.limit, 1),
            calm: limit(state.limit, 2),
            blackhole_until_ns: state.blackhole.map_or(0, |hole| until_ns(hole.until)),
            rung_until_ns: state.rung.map_or(0, |forced| until_ns(forced.until)),
            hold_ns: state.ladder.hold.as_nanos() as u64,
            slot,
            group: self.number(state.group),
            look: state.vectors.limited() | amplified | self.look_of(state.group),
            amplification,
            rung: state.rung.map_or(rung(Rung::Limit), |forced| rung(forced.rung)),
            rung_most: rung(state.ladder.most),
            method: method(state.ladder.method),
            local: u8::from(state.local),
            blackhole_all: u8::from(state.blackhole.is_some_and(|hole| hole.all)),
            ..AddressPolicy::default()
        };
        self.policies.insert(address, policy);
    }

    /// Adds a group; before its addresses.
    pub fn put_group(&mut self, group: &GroupState) {
        let slot = GROUP_SLOTS + self.groups.len() as u32;
        self.put_vectors(slot, &group.vectors);
        let syn = |part| group.limit.map_or(rate::Limit::UNLIMITED, |given| limit(given, part));
        self.groups.push((
            group.prefix,
            AddressPolicy {
                syn: syn(1),
                calm: syn(2),
                hold_ns: group.hold.as_nanos() as u64,
                slot,
                look: group.vectors.limited(),
                rung: rung(Rung::Limit),
                rung_most: rung(Rung::Verify),
                ..AddressPolicy::default()
            },
        ));
    }

    fn put_vectors(&mut self, slot: u32, vectors: &Vectors) {
        for vector in Vector::ALL {
            let rates = vectors.of(vector);
            let limit = VectorLimit {
                packets: rates
                    .packets
                    .per_second()
                    .map_or(CostLimit::UNLIMITED, CostLimit::packets),
                bytes: rates.bits.per_second().map_or(CostLimit::UNLIMITED, CostLimit::bits),
            };
            self.vector_limits.insert((slot, vector), limit);
        }
    }

    /// The number of a group plus 1; 0 for none.
    fn number(&self, group: Option<IpNet>) -> u32 {
        let at = group.and_then(|group| self.groups.iter().position(|(prefix, _)| *prefix == group));
        at.map_or(0, |at| at as u32 + 1)
    }

    fn look_of(&self, group: Option<IpNet>) -> u32 {
        let found = group.and_then(|group| self.groups.iter().find(|(prefix, _)| *prefix == group));
        found.map_or(0, |(_, policy)| policy.look)
    }

    /// Adds or replaces an entry of the source list.
    pub fn put_entry(&mut self, entry: &ListEntry) {
        let bits = u32::from(entry.prefix.prefix_len()) + if matches!(entry.prefix, IpNet::V4(_)) { 96 } else { 0 };
        let action = match entry.action {
            ListAction::Allow => xdp_common::ListAction::Allow,
            ListAction::Block => xdp_common::ListAction::Block,
        };
        let first: IpAddr = entry.prefix.network();
        self.insert_list(
            first.into(),
            xdp_common::ListEntry::new(action, bits, until_ns(entry.until)),
        );
    }
}
