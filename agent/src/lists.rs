//! Arithmetic of source lists: which prefix holds which. The same rules as the kernel's trie: the longest prefix wins.

use std::collections::BTreeMap;

use ipnet::IpNet;

/// The shortest IPv4 prefix that is listed without being asked twice.
pub const SHORTEST_V4: u8 = 8;
/// The shortest IPv6 prefix that is listed without being asked twice.
pub const SHORTEST_V6: u8 = 20;

/// Whether `outer` holds all of `inner`.
#[must_use]
pub fn contains(outer: IpNet, inner: IpNet) -> bool {
    outer.contains(&inner)
}

/// Whether a prefix is so short that it is more likely a mistake than a wish.
#[must_use]
pub const fn is_too_wide(net: IpNet) -> bool {
    match net {
        IpNet::V4(v4) => v4.prefix_len() < SHORTEST_V4,
        IpNet::V6(v6) => v6.prefix_len() < SHORTEST_V6,
    }
}

/// The longest entry that is strictly shorter than `net` and holds it.
#[must_use]
pub fn nearest_covering<T>(list: &BTreeMap<IpNet, T>, net: IpNet) -> Option<(IpNet, &T)> {
    let mut outer = net.supernet();
    while let Some(candidate) = outer {
        if let Some(value) = list.get(&candidate) {
            return Some((candidate, value));
        }
        outer = candidate.supernet();
    }
    None
}

/// The entry that decides about `net` as a whole: itself, or the nearest that holds it.
#[must_use]
pub fn deciding<T>(list: &BTreeMap<IpNet, T>, net: IpNet) -> Option<(IpNet, &T)> {
    list.get(&net)
        .map(|value| (net, value))
        .or_else(|| nearest_covering(list, net))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("test prefix")
    }

    #[test]
    fn the_nearest_covering_entry_wins() {
        let list: BTreeMap<IpNet, u8> = [(net("10.0.0.0/8"), 8), (net("10.1.0.0/16"), 16)].into();
        assert_eq!(
            nearest_covering(&list, net("10.1.2.3/32")),
            Some((net("10.1.0.0/16"), &16))
        );
        assert_eq!(
            nearest_covering(&list, net("10.1.0.0/16")),
            Some((net("10.0.0.0/8"), &8))
        );
        assert_eq!(nearest_covering(&list, net("11.0.0.0/8")), None);
        assert_eq!(deciding(&list, net("10.1.0.0/16")), Some((net("10.1.0.0/16"), &16)));
        assert_eq!(deciding(&list, net("2001:db8::/32")), None);
    }

    #[test]
    fn wide_prefixes() {
        assert!(is_too_wide(net("8.0.0.0/7")) && !is_too_wide(net("8.0.0.0/8")));
        assert!(is_too_wide(net("2001::/19")) && !is_too_wide(net("2001::/20")));
    }
}
