//! Addresses that other nodes of the fleet protect, for commands that hold for all of them.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

/// A node protects 4,096 addresses at most; a prefix that stands for more was not made of protected ones.
const MOST: u32 = 4_096;

/// What one node protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The node.
    pub node: String,
    /// Addresses of its.
    pub prefix: IpNet,
}

/// The node that protects an address.
#[must_use]
pub fn who_protects(elsewhere: &[Elsewhere], address: IpAddr) -> Option<&str> {
    let found = sound(elsewhere).find(|one| one.prefix.contains(&address));
    found.map(|one| one.node.as_str())
}

/// The addresses inside a prefix that other nodes protect, in their order.
#[must_use]
pub fn inside(elsewhere: &[Elsewhere], net: IpNet) -> BTreeSet<IpAddr> {
    sound(elsewhere)
        .filter_map(|one| match one {
            one if net.contains(&one.prefix) => Some(one.prefix),
            one if one.prefix.contains(&net) => Some(net),
            _ => None,
        })
        .flat_map(|net| net.subnets(net.max_prefix_len()).into_iter().flatten())
        .map(|single| single.addr())
        .take(MOST as usize)
        .collect()
}

fn sound(elsewhere: &[Elsewhere]) -> impl Iterator<Item = &Elsewhere> {
    elsewhere.iter().filter(|one| {
        let free = one.prefix.max_prefix_len() - one.prefix.prefix_len();
        free <= MOST.ilog2() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elsewhere(prefixes: &[&str]) -> Vec<Elsewhere> {
        let one = |prefix: &&str| Elsewhere {
            node: "lb2".to_owned(),
            prefix: prefix.parse().expect("prefix"),
        };
        prefixes.iter().map(one).collect()
    }

    #[test]
    fn addresses_of_others_are_found_in_wider_and_in_narrower_prefixes() {
        let elsewhere = elsewhere(&["203.0.113.8/31", "2001:db8::7/128", "0.0.0.0/0"]);
        let inside = |net: &str| -> Vec<String> {
            let found = inside(&elsewhere, net.parse().expect("prefix"));
            found.into_iter().map(|address| address.to_string()).collect()
        };
        assert_eq!(inside("203.0.113.0/24"), ["203.0.113.8", "203.0.113.9"]);
        assert_eq!(inside("203.0.113.9/32"), ["203.0.113.9"]);
        assert_eq!(inside("2001:db8::/64"), ["2001:db8::7"]);
        assert_eq!(inside("198.51.100.0/24"), [""; 0], "nobody protects everything");
        let who = |address: &str| who_protects(&elsewhere, address.parse().expect("address"));
        assert_eq!((who("203.0.113.9"), who("203.0.113.10")), (Some("lb2"), None));
    }
}
