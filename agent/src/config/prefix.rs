//! Addresses and prefixes as people write them. Stricter than `ipnet`: what cannot be meant is refused with what was
//! probably meant, because a prefix here decides who reaches a customer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why a text is not a prefix that we act on, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Neither an address nor a prefix.
    #[error(
        "{0:?} is neither an address nor a prefix: write an IPv4 or IPv6 address such as 203.0.113.7 or 2001:db8::1, or a prefix such as \
         203.0.113.0/24 or 2001:db8::/32"
    )]
    NotAPrefix(String),
    /// Bits are set that the prefix length does not cover.
    #[error("{found} has bits set beyond its /{length}: write {network} for the whole prefix, or {address} for the one address", length = found.prefix_len(), network = found.trunc(), address = found.addr())]
    HostBits {
        /// As it was written.
        found: IpNet,
    },
    /// A prefix of length zero.
    #[error("{0} covers every address: name the prefixes that you mean")]
    Everything(IpNet),
    /// An IPv6 prefix that swallows the mapped form of all IPv4.
    #[error("{0} covers every IPv4 address in its IPv6-mapped form: write the IPv4 prefixes that you mean")]
    EveryMappedV4(IpNet),
}

/// Reads an address (as a prefix of full length) or a prefix. IPv4-mapped IPv6 becomes plain IPv4.
pub fn parse(text: &str) -> Result<IpNet, PrefixError> {
    let text = text.trim();
    let not_a_prefix = || PrefixError::NotAPrefix(text.to_owned());
    let net = if text.contains('/') {
        text.parse::<IpNet>().map_err(|_| not_a_prefix())?
    } else {
        text.parse::<IpAddr>().map(IpNet::from).map_err(|_| not_a_prefix())?
    };
    let net = unmapped(net)?;
    if net.prefix_len() == 0 {
        return Err(PrefixError::Everything(net));
    }
    if net.trunc() != net {
        return Err(PrefixError::HostBits { found: net });
    }
    Ok(net)
}

/// Reads exactly one address.
pub fn parse_address(text: &str) -> Result<IpAddr, PrefixError> {
    match text.trim().parse::<IpAddr>() {
        Ok(address) => Ok(address.to_canonical()),
        Err(_) => Err(PrefixError::NotAPrefix(text.to_owned())),
    }
}

/// A prefix of full length as its one address, everything else as it is: how people want to read it back.
#[must_use]
pub fn display(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

/// Whether `net` is one address rather than a range.
#[must_use]
pub fn is_single(net: IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}

/// The kernel side keeps IPv4 in its mapped form (`::ffff:a.b.c.d`), so mapped input is the same address, and an IPv6
/// prefix above the mapped range would silently hold all of IPv4.
fn unmapped(net: IpNet) -> Result<IpNet, PrefixError> {
    let IpNet::V6(v6) = net else { return Ok(net) };
    let mapped_range = Ipv4Addr::UNSPECIFIED.to_ipv6_mapped();
    if v6.prefix_len() >= 96
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Ok(v4_net) = Ipv4Net::new(v4, v6.prefix_len() - 96)
    {
        return Ok(IpNet::V4(v4_net));
    }
    if v6.prefix_len() > 0 && covers(v6, mapped_range) {
        return Err(PrefixError::EveryMappedV4(net));
    }
    Ok(net)
}

fn covers(net: Ipv6Net, address: Ipv6Addr) -> bool {
    net.trunc().contains(&address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_addresses_and_prefixes() {
        for (text, wanted) in [
            ("203.0.113.7", "203.0.113.7/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            (" 192.0.2.1 ", "192.0.2.1/32"),
        ] {
            assert_eq!(parse(text).map(|net| net.to_string()).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_meant() {
        for (text, part) in [
            (
                "10.0.0.1/8",
                "write 10.0.0.0/8 for the whole prefix, or 10.0.0.1 for the one address",
            ),
            ("2001:db8::1/32", "write 2001:db8::/32"),
            ("0.0.0.0/0", "covers every address"),
            ("::/0", "covers every address"),
            ("::/64", "covers every IPv4 address"),
            ("::ffff:0.0.0.0/96", "covers every address"),
            ("10.0.0.0/33", "neither an address nor a prefix"),
            ("010.0.0.1", "neither an address nor a prefix"),
            ("fe80::1%eth0", "neither an address nor a prefix"),
            ("example.org", "neither an address nor a prefix"),
            ("", "neither an address nor a prefix"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_read_back(bits in any::<u32>(), length in 1u8..=32) {
            let net = IpNet::from(Ipv4Net::new(bits.into(), length).expect("length is in range").trunc());
            prop_assert_eq!(parse(&display(net)), Ok(net));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
