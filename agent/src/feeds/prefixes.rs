//! The prefixes of one list, compact: a list may have millions.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use xdp_common::{
    Address,
    list_table::{V6_LEN_MAX, is_for_table},
};

/// A prefix in the numbers of its family: 32 bits of IPv4, the first 64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Short {
    /// Its first address.
    pub start: u64,
    /// Its length in bits.
    pub len: u8,
}

/// The prefixes of one list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefixes {
    /// IPv4.
    pub v4: Vec<Short>,
    /// IPv6 that the table of lists can hold.
    pub v6: Vec<Short>,
    /// IPv6 that it cannot.
    pub long: Vec<IpNet>,
}

impl Prefixes {
    /// Adds one.
    pub fn push(&mut self, prefix: IpNet) {
        let len = prefix.prefix_len();
        match prefix {
            IpNet::V4(net) => self.v4.push(Short {
                start: u64::from(u32::from(net.network())),
                len,
            }),
            IpNet::V6(net) => match v6_start(net) {
                Some(start) => self.v6.push(Short { start, len }),
                None => self.long.push(prefix),
            },
        }
    }

    /// Puts them in order, each once.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        for family in [&mut self.v4, &mut self.v6] {
            family.sort_unstable();
            family.dedup();
            family.shrink_to_fit();
        }
        self.long.sort_unstable();
        self.long.dedup();
        self
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len() + self.long.len()
    }

    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells two versions apart: the first 16 hexadecimal digits of the SHA-256 of all, in order.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for (family, shorts) in [(4, &self.v4), (6, &self.v6)] {
            for short in shorts {
                context.update(&short.start.to_be_bytes());
                context.update(&[family, short.len]);
            }
        }
        for prefix in &self.long {
            context.update(prefix.to_string().as_bytes());
        }
        let digest = context.finish();
        digest
            .as_ref()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Every one.
    pub fn iter(&self) -> impl Iterator<Item = IpNet> + '_ {
        let v4 = self.v4.iter().map(|short| short.v4());
        let v6 = self.v6.iter().map(|short| short.v6());
        v4.chain(v6).chain(self.long.iter().copied())
    }
}

impl Short {
    /// As an IPv4 prefix.
    #[must_use]
    pub fn v4(self) -> IpNet {
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from(self.start as u32), self.len))
    }

    /// As an IPv6 prefix.
    #[must_use]
    pub fn v6(self) -> IpNet {
        IpNet::V6(Ipv6Net::new_assert(
            Ipv6Addr::from(u128::from(self.start) << 64),
            self.len,
        ))
    }
}

/// The first 64 bits of a prefix that the table can hold whole.
fn v6_start(net: Ipv6Net) -> Option<u64> {
    let fits = |address: Ipv6Addr| is_for_table(Address::from_bytes(address.octets()));
    let holds = net.prefix_len() <= V6_LEN_MAX && fits(net.network()) && fits(net.broadcast());
    holds.then(|| (u128::from(net.network()) >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(prefixes: &[&str]) -> String {
        let mut held = Prefixes::default();
        for prefix in prefixes {
            held.push(prefix.parse().expect("prefix"));
        }
        held.sorted().digest()
    }

    #[test]
    fn equal_versions_have_equal_digests_and_others_do_not() {
        let all = ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "2001:db8::7/128"];
        let mut turned = all;
        turned.reverse();
        assert_eq!(digest(&all), digest(&turned));
        assert_eq!(digest(&all).len(), 16);
        for left_out in 0..all.len() {
            let mut fewer = all.to_vec();
            fewer.remove(left_out);
            assert_ne!(digest(&fewer), digest(&all));
        }
        assert_ne!(digest(&["192.0.2.0/24"]), digest(&["192.0.2.0/25"]));
    }
}
