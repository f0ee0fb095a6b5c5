//! The lists in the kernel and on the host, addresses, and frames from listed sources.

use agent::{
    clock::Now,
    config::units::{Burst, Rate},
    feeds::{
        flatten::{Part, flatten},
        prefixes::Prefixes,
    },
    kernel::Kernel,
    ladder::{ForcedRung, Ladder, Method, Rung},
    tables::{
        AddressState, KernelSettings, KernelTables, Limit, ListAction, ListEntry, ListHead, ListImage, Mode,
        MonotonicNs,
    },
};
use ipnet::IpNet;
use lab::{
    host_tables::HostTables,
    packet::{Packet, Transport},
    prog_run::ProgRun,
};
use xdp_common::{Address, AddressPolicy, Listed, Reason, list_table, rate};

use crate::rows::*;

pub(crate) fn image(now: Now) -> (ListImage, Vec<usize>) {
    let made: Vec<(ListHead, Prefixes)> = (1..)
        .zip(LISTS)
        .map(|(number, (name, action, ended, texts))| {
            let prefixes = prefixes(texts.iter().map(|text| text.parse().unwrap()));
            let until = ended.then_some(MonotonicNs(now.mono.0 - 1_000_000_000));
            (head(number, name, action, until, &prefixes), prefixes)
        })
        .collect();
    flat(&made)
}

pub(crate) fn flat(made: &[(ListHead, Prefixes)]) -> (ListImage, Vec<usize>) {
    let parts: Vec<Part<'_>> = made.iter().map(|(head, prefixes)| Part { head, prefixes }).collect();
    let flat = flatten(&parts);
    (flat.image, flat.conflicts)
}

pub(crate) fn prefixes(nets: impl Iterator<Item = IpNet>) -> Prefixes {
    let mut prefixes = Prefixes::default();
    nets.for_each(|net| prefixes.push(net));
    prefixes.sorted()
}

pub(crate) fn head(
    number: u8,
    name: &str,
    action: ListAction,
    until: Option<MonotonicNs>,
    prefixes: &Prefixes,
) -> ListHead {
    ListHead {
        number,
        name: name.to_owned(),
        action,
        until,
        read_at: 1_700_000_000,
        v4: prefixes.v4.len() as u32,
        v6: (prefixes.v6.len() + prefixes.long.len()) as u32,
    }
}

pub(crate) fn limit(rate: u32, burst: u32) -> Limit {
    Limit {
        syn_rate: Rate::new(rate).unwrap(),
        syn_burst: Burst::new(burst).unwrap(),
    }
}

pub(crate) fn addresses() -> [AddressState; 4] {
    let plain = |address: &str| AddressState::new(address.parse().unwrap(), limit(100_000, 100_000));
    [
        plain(V4),
        plain(V6),
        AddressState {
            limit: limit(1, 10),
            ladder: Ladder {
                most: Rung::Limit,
                ..Ladder::default()
            },
            ..plain(SMALL)
        },
        AddressState {
            rung: Some(ForcedRung {
                rung: Rung::Verify,
                until: None,
            }),
            ladder: Ladder {
                method: Method::Challenge,
                ..Ladder::default()
            },
            ..plain(VERIFIED)
        },
    ]
}

pub(crate) fn kernel() -> ProgRun {
    let mut run = ProgRun::load().unwrap();
    let now = Now::read();
    let settings = KernelSettings::new(Mode::Enforce, limit(100_000, 100_000));
    run.kernel.put_settings(&settings).unwrap();
    for address in addresses() {
        run.kernel.put_address(&address).unwrap();
    }
    for (prefix, action, ended) in BY_HAND {
        let entry = ListEntry {
            prefix: prefix.parse().unwrap(),
            action,
            until: ended.then_some(MonotonicNs(now.mono.0 - 1_000_000_000)),
        };
        run.kernel.put_entry(&entry).unwrap();
    }
    run.kernel.put_lists(&image(now).0).unwrap();
    run
}

pub(crate) fn host() -> HostTables {
    let mut tables = HostTables::default();
    let past = tables.now_ns.get() - 1_000_000_000;
    tables.settings.source_syn = rate::Limit::new(100_000, 100_000);
    for (slot, state) in (1..).zip(addresses()) {
        let policy = AddressPolicy {
            syn: rate::Limit::new(state.limit.syn_rate.per_second(), state.limit.syn_burst.events()),
            slot,
            rung_until_ns: if state.rung.is_some() { u64::MAX } else { 0 },
            rung: xdp_common::Rung::Verify as u8,
            rung_most: match state.ladder.most {
                Rung::Limit => xdp_common::Rung::Limit,
                _ => xdp_common::Rung::Verify,
            } as u8,
            method: xdp_common::Method::Challenge as u8,
            ..AddressPolicy::default()
        };
        tables.policies.insert(Address::from(state.address), policy);
    }
    for (number, (_, action, ended, texts)) in (1u8..).zip(LISTS) {
        if ended {
            tables.list_ends_ns.insert(u32::from(number), past);
        }
        for text in texts {
            let net: IpNet = text.parse().unwrap();
            let last = Address::from(net.broadcast());
            let short = net.addr().is_ipv4() || net.prefix_len() <= list_table::V6_LEN_MAX;
            if short && list_table::is_for_table(last) {
                tables.insert_large(
                    net.network().into(),
                    Listed::new(number, kernel_action(action), bits(net)),
                );
            } else {
                let until = if ended { past } else { u64::MAX };
                let entry = xdp_common::ListEntry::new(kernel_action(action), bits(net), until).of_list(number);
                tables.insert_list(net.network().into(), entry);
            }
        }
    }
    for (text, action, ended) in BY_HAND {
        let net: IpNet = text.parse().unwrap();
        let until = if ended { past } else { u64::MAX };
        let entry = xdp_common::ListEntry::new(kernel_action(action), bits(net), until);
        tables.insert_list(net.network().into(), entry);
    }
    tables
}

pub(crate) fn bits(net: IpNet) -> u32 {
    u32::from(net.prefix_len()) + if net.addr().is_ipv4() { 96 } else { 0 }
}

pub(crate) const fn kernel_action(action: ListAction) -> xdp_common::ListAction {
    match action {
        ListAction::Allow => xdp_common::ListAction::Allow,
        ListAction::Block => xdp_common::ListAction::Block,
    }
}

/// The address that a source's family goes to.
pub(crate) fn ours(source: &str) -> &'static str {
    if source.contains(':') { V6 } else { V4 }
}

/// A SYN, and a datagram: who goes to the large lists at once, and who later, must meet the same.
pub(crate) fn frames(source: &str) -> [(Vec<u8>, Reason); 2] {
    [
        (Packet::syn(source, ours(source)).bytes(), Reason::Syn),
        (
            Packet::new(source, ours(source), Transport::Udp { payload: 1 }).bytes(),
            Reason::Udp,
        ),
    ]
}

/// What a frame of a row meets.
pub(crate) fn met(row: Reason, unlisted: Reason) -> Reason {
    if row == Reason::Syn { unlisted } else { row }
}

/// Packets that each list decided about.
pub(crate) fn counted(kernel: &Kernel) -> Vec<(String, u64)> {
    let lists = kernel.lists().unwrap().into_iter();
    lists.map(|list| (list.head.name, list.packets)).collect()
}

/// Lists whose counts have changed, by how much.
pub(crate) fn moved(before: &[(String, u64)], after: &[(String, u64)]) -> Vec<(String, u64)> {
    let pairs = before.iter().zip(after).filter(|(then, now)| then != now);
    pairs.map(|(then, now)| (now.0.clone(), now.1 - then.1)).collect()
}

/// The reasons that SYNs from a source meet, each as often as it did.
pub(crate) fn reasons(run: &mut ProgRun, source: &str, to: &str, syns: u32) -> Vec<(Reason, u64)> {
    let frame = Packet::syn(source, to).bytes();
    let mut all: Vec<(Reason, u64)> = Vec::new();
    for _ in 0..syns {
        let (_, reading) = run.frame(&frame).unwrap();
        let (_, reason, _) = lab::expect::moved(&reading)[0];
        match all.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => all.push((reason, 1)),
        }
    }
    all.sort_by_key(|(reason, _)| reason.index());
    all
}
