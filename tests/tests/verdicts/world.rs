//! What the rows meet: protected addresses, blackholes and lists, in the kernel and on the host.

use std::net::IpAddr;

use agent::tables::{
    AddressState, Blackhole, KernelSettings, KernelTables as _, Limit, ListAction, ListEntry, Mode, MonotonicNs,
};
use ipnet::IpNet;
use lab::{host_tables::HostTables, prog_run::ProgRun};
use xdp_common::{Address, AddressPolicy, rate};

use crate::{
    decided::LIST,
    rows::{HOLE_ALL4, HOLE_LOCAL4, HOLE_PAST4, HOLE4, HOLE6, V4, V6},
};

pub(crate) fn monotonic_ns() -> u64 {
    agent::clock::Now::read().mono.0
}

pub(crate) fn at(now_ns: u64, seconds: i64) -> u64 {
    now_ns.saturating_add_signed(seconds * 1_000_000_000)
}

pub(crate) fn limit() -> Limit {
    use agent::config::units::{Burst, Rate};
    Limit {
        syn_rate: Rate::new(100_000).unwrap(),
        syn_burst: Burst::new(100_000).unwrap(),
    }
}

/// Protected addresses with their blackholes: (address, blackholed for seconds, all, local).
pub(crate) const ADDRESSES: [(&str, Option<i64>, bool, bool); 7] = [
    (V4, None, false, true),
    (V6, None, false, true),
    (HOLE4, Some(60), false, false),
    (HOLE6, Some(60), false, false),
    (HOLE_ALL4, Some(60), true, false),
    (HOLE_LOCAL4, Some(60), false, true),
    (HOLE_PAST4, Some(-1), false, false),
];

pub(crate) fn fill_kernel(run: &mut ProgRun, now_ns: u64) {
    for (address, blackhole, all, local) in ADDRESSES {
        let blackhole = blackhole.map(|seconds| Blackhole {
            until: Some(MonotonicNs(at(now_ns, seconds))),
            all,
        });
        let state = AddressState {
            blackhole,
            local,
            ..AddressState::new(address.parse().unwrap(), limit())
        };
        run.kernel.put_address(&state).unwrap();
    }
    for (prefix, action, seconds) in LIST {
        let entry = ListEntry {
            prefix: prefix.parse().unwrap(),
            action,
            until: Some(MonotonicNs(at(now_ns, seconds))),
        };
        run.kernel.put_entry(&entry).unwrap();
    }
}

pub(crate) fn set_mode(run: &mut ProgRun, mode: Mode) {
    let settings = KernelSettings {
        samples_per_second: 10,
        ..KernelSettings::new(mode, limit())
    };
    run.kernel.put_settings(&settings).unwrap();
}

pub(crate) fn host_tables(now_ns: u64) -> HostTables {
    let mut tables = HostTables::default();
    tables.now_ns.set(now_ns);
    tables.settings.source_syn = rate::Limit::new(100_000, 100_000);
    for (slot, (address, blackhole, all, local)) in (1..).zip(ADDRESSES) {
        let policy = AddressPolicy {
            syn: rate::Limit::new(100_000, 100_000),
            blackhole_until_ns: blackhole.map_or(0, |seconds| at(now_ns, seconds)),
            slot,
            local: u8::from(local),
            blackhole_all: u8::from(all),
            ..AddressPolicy::default()
        };
        tables
            .policies
            .insert(Address::from(address.parse::<IpAddr>().unwrap()), policy);
    }
    for (prefix, action, seconds) in LIST {
        let prefix: IpNet = prefix.parse().unwrap();
        let bits = u32::from(prefix.prefix_len()) + if prefix.addr().is_ipv4() { 96 } else { 0 };
        let action = match action {
            ListAction::Allow => xdp_common::ListAction::Allow,
            ListAction::Block => xdp_common::ListAction::Block,
        };
        tables.insert_list(
            prefix.network().into(),
            xdp_common::ListEntry::new(action, bits, at(now_ns, seconds)),
        );
    }
    tables
}
