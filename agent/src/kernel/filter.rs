//! The filter in front of the source list (see [`xdp_common::list_filter`]).

use aya::maps::{Array, Map, MapData};
use ipnet::{IpNet, Ipv4Net};
use xdp_common::{Address, list_filter, map_name};

use super::{convert, maps, pins::Pins};
use crate::tables::Result;

pub(super) struct Filter {
    map: Array<MapData, u64>,
    /// What the map holds.
    words: Vec<u64>,
    /// What stays set, whatever else goes.
    kept: Vec<u64>,
}

impl Filter {
    pub(super) fn open(pins: &Pins) -> Result<Self> {
        let map: Array<MapData, u64> = maps::open(pins, map_name::LIST_FILTER, Map::Array)?;
        let words = map
            .iter()
            .collect::<std::result::Result<Vec<u64>, _>>()
            .map_err(|error| convert::failed("read", map_name::LIST_FILTER, &error))?;
        let kept = vec![0; words.len()];
        Ok(Self { map, words, kept })
    }

    /// Every bit that is set now stays.
    pub(super) fn keep_what_is_set(&mut self) {
        self.kept.clone_from(&self.words);
    }

    /// The bits of these prefixes stay, and no others.
    pub(super) fn keep(&mut self, prefixes: &[IpNet]) {
        self.kept.fill(0);
        for prefix in prefixes {
            mark(&mut self.kept, *prefix);
        }
    }

    /// Sets the bits of more prefixes.
    pub(super) fn add(&mut self, prefixes: impl IntoIterator<Item = IpNet>) -> Result<()> {
        let mut wanted = self.words.clone();
        for prefix in prefixes {
            mark(&mut wanted, prefix);
        }
        self.write(wanted)
    }

    /// Sets the bits of these prefixes and clears all others but those that stay.
    pub(super) fn set_exactly<'a>(&mut self, prefixes: impl Iterator<Item = &'a IpNet>) -> Result<()> {
        let mut wanted = self.kept.clone();
        for prefix in prefixes {
            mark(&mut wanted, *prefix);
        }
        self.write(wanted)
    }

    /// Writes the words that differ.
    fn write(&mut self, wanted: Vec<u64>) -> Result<()> {
        for (at, (have, want)) in self.words.iter_mut().zip(wanted).enumerate() {
            if *have != want {
                self.map
                    .set(at as u32, want, 0)
                    .map_err(|error| convert::failed("write", map_name::LIST_FILTER, &error))?;
                *have = want;
            }
        }
        Ok(())
    }
}

/// Sets every bit that an address of the prefix can have.
pub fn mark(words: &mut [u64], prefix: IpNet) {
    let mut set = |bit: u32| {
        for (word, mask) in [list_filter::place(bit), list_filter::place_in_front(bit)] {
            if let Some(word) = words.get_mut(word as usize) {
                *word |= mask;
            }
        }
    };
    let prefix = unmapped(prefix);
    let bits = u32::from(prefix.prefix_len());
    let first = Address::from(prefix.network());
    match prefix {
        IpNet::V4(_) => {
            let shared = list_filter::V4_BITS.saturating_sub(bits);
            let from = list_filter::bit_of(first);
            (from..from + (1 << shared)).for_each(&mut set);
        }
        // So wide that it meets most bits anyway; and it may hold the IPv4-mapped addresses too.
        IpNet::V6(_) if bits + list_filter::V4_BITS < list_filter::V6_BITS => words.fill(u64::MAX),
        IpNet::V6(net) if net.contains(&std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()) => words.fill(u64::MAX),
        IpNet::V6(net) => {
            let leading = u32::from_be_bytes(net.network().octets()[..4].try_into().unwrap_or_default());
            let shared = list_filter::V6_BITS.saturating_sub(bits);
            (0..1u32 << shared).for_each(|low| set(list_filter::bit_of_v6(leading | low)));
        }
    }
}

/// IPv4 in its IPv6-mapped form as what it is: packets have it in that form, too.
fn unmapped(prefix: IpNet) -> IpNet {
    let IpNet::V6(v6) = prefix else { return prefix };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, bits)| Ipv4Net::new(address, bits).ok())
        .map_or(prefix, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn words(prefix: &str) -> Vec<u64> {
        let mut words = vec![0; list_filter::WORDS as usize];
        mark(&mut words, prefix.parse().expect("test prefix"));
        words
    }

    fn holds(words: &[u64], address: &str) -> bool {
        let address: IpAddr = address.parse().expect("test address");
        let bit = list_filter::bit_of(Address::from(address));
        let set = |(word, mask): (u32, u64)| words[word as usize] & mask != 0;
        set(list_filter::place_in_front(bit)) && set(list_filter::place(bit))
    }

    #[test]
    fn every_address_of_a_prefix_is_marked() {
        for (prefix, inside) in [
            ("10.0.0.0/8", vec!["10.0.0.0", "10.255.255.255", "10.77.3.4"]),
            ("192.0.2.128/25", vec!["192.0.2.128", "192.0.2.255"]),
            ("0.0.0.0/0", vec!["0.0.0.0", "255.255.255.255", "127.0.0.1"]),
            ("2001:db8::/32", vec!["2001:db8::1", "2001:db8:ffff::1"]),
            ("2001:db8:1:2::/64", vec!["2001:db8:1:2::9"]),
            ("2000::/20", vec!["2000:0fff::1", "2000:123:4::"]),
            ("2000::/3", vec!["2000::1", "3fff:ffff::1", "2a00:1450::5"]),
            ("::/0", vec!["::1", "ffff::", "10.0.0.1", "203.0.113.7"]),
            ("::ffff:0:0/96", vec!["10.0.0.1", "203.0.113.7"]),
        ] {
            let words = words(prefix);
            for address in inside {
                assert!(holds(&words, address), "{address} in {prefix}");
            }
        }
    }

    #[test]
    fn little_else_is_marked() {
        let bits: u32 = words("192.0.2.0/24").iter().map(|word| word.count_ones()).sum();
        assert_eq!(bits, 2, "one, and the one in front");
        assert!(!holds(&words("192.0.2.0/24"), "192.0.64.1"));
        assert!(!holds(&words("2001:db8::/32"), "2001:db9::1"));
    }
}
