//! Whom a list should not block without a word: our own addresses, gateways and resolvers. By hand that would be refused; a list
//! comes by itself, and others are in it that must be blocked. So it holds, and is told.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use xdp_common::Address;

use super::flatten::look;
use crate::{
    host::HostFacts,
    lists,
    tables::{ListAction, ListEntry, ListImage},
};

/// A list's number, and the sentence about what it blocks.
pub type Told = (u8, String);

/// What these lists block of what this host cannot do without, unless an entry made by hand lets it in.
#[must_use]
pub fn told(
    image: &ListImage,
    by_hand: &BTreeMap<IpNet, ListEntry>,
    host: &HostFacts,
    protected: &[IpAddr],
) -> Vec<Told> {
    let named = |addresses: &[IpAddr], what: &'static str| {
        addresses
            .iter()
            .map(move |address| (*address, what))
            .collect::<Vec<_>>()
    };
    let dear = [
        named(&host.gateways, "the default gateway"),
        named(&host.resolvers, "a resolver of this host"),
        named(protected, "an address of ours"),
    ];
    let sentence = |(address, what): (IpAddr, &str)| {
        let (number, len) = blocking(image, address)?;
        let allowed = lists::deciding(by_hand, IpNet::from(address))
            .is_some_and(|(net, entry)| entry.action == ListAction::Allow && net.prefix_len() >= len);
        (!allowed).then(|| {
            (
                number,
                format!("it blocks {address}, {what}: `agent allow-ip {address}` lets it in"),
            )
        })
    };
    dear.into_iter().flatten().filter_map(sentence).collect()
}

/// The list that blocks an address, and the bits of its prefix.
fn blocking(image: &ListImage, address: IpAddr) -> Option<(u8, u8)> {
    let listed = look(&image.words, Address::from(address));
    let before = if address.is_ipv4() { 96 } else { 0 };
    let in_table = (!listed.is_none()).then(|| {
        let action = if listed.blocks() {
            ListAction::Block
        } else {
            ListAction::Allow
        };
        (listed.list() as u8, (listed.prefix_len() - before) as u8, action)
    });
    let long = image.long.iter().filter(|long| long.prefix.contains(&address));
    let long = long.map(|long| (long.number, long.prefix.prefix_len(), long.action));
    let (number, len, action) = long.chain(in_table).max_by_key(|(_, len, _)| *len)?;
    (action == ListAction::Block).then_some((number, len))
}
