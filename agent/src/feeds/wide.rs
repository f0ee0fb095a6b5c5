//! Whether a list holds so much of the Internet that it cannot be what its owner meant: one line of `0.0.0.0/0`, or the same in many
//! lines, would drop every customer, or let every attacker in.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};

use super::prefixes::Prefixes;

/// IPv4 addresses that somebody can have: 0.0.0.0 to 223.255.255.255. Lists of bogons hold what is above, and may.
const UNICAST: u64 = 0xe000_0000;
/// More than this share of them is too much, as one divided by it.
const SHARE: u64 = 2;
/// Where the registries' addresses are (IANA, IPv6 global unicast address assignments): lists of bogons hold nearly all that is
/// between them, and may.
const REGISTRIES: [u16; 5] = [0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00];
/// Bits of each of these.
const REGISTRY_LEN: u8 = 12;

/// What is too much of it, as half a sentence.
pub(super) fn too_much(prefixes: &Prefixes) -> Option<String> {
    let held = unicast(prefixes.iter());
    if held > UNICAST / SHARE {
        return Some(format!("holds {} % of all IPv4 addresses", held * 100 / UNICAST));
    }
    let mut wide = prefixes
        .iter()
        .filter(|net| matches!(net, IpNet::V6(net) if is_registrys(net)));
    wide.next()
        .map(|net| format!("holds {net}, all that a registry of IPv6 addresses has"))
}

/// IPv4 addresses in all of them, each once: a prefix holds another one whole, or nothing of it.
fn unicast(prefixes: impl Iterator<Item = IpNet>) -> u64 {
    let mut ranges: Vec<(u64, u64)> = prefixes
        .filter_map(|net| match net {
            IpNet::V4(net) => Some((
                u64::from(u32::from(net.network())),
                u64::from(u32::from(net.broadcast())) + 1,
            )),
            IpNet::V6(_) => None,
        })
        .collect();
    ranges.sort_unstable();
    let (mut held, mut until) = (0, 0);
    for (start, end) in ranges {
        let (start, end) = (start.max(until), end.min(UNICAST));
        if end > start {
            held += end - start;
            until = end;
        }
    }
    held
}

fn is_registrys(net: &Ipv6Net) -> bool {
    REGISTRIES.iter().any(|first| {
        let registry = Ipv6Net::new_assert(Ipv6Addr::new(*first, 0, 0, 0, 0, 0, 0, 0), REGISTRY_LEN);
        net.contains(&registry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Prefixes {
        let mut prefixes = Prefixes::default();
        for text in texts {
            prefixes.push(text.parse().expect("a prefix"));
        }
        prefixes.sorted()
    }

    #[test]
    fn half_of_the_internet_is_too_much_in_one_line_or_in_many() {
        for texts in [
            &["0.0.0.0/0"][..],
            &["0.0.0.0/1"],
            &[
                "0.0.0.0/2",
                "64.0.0.0/3",
                "96.0.0.0/4",
                "112.0.0.0/5",
                "10.0.0.0/8",
                "200.0.0.0/8",
            ],
            &["::/0"],
            &["2000::/3"],
            &["2600::/12"],
        ] {
            assert!(too_much(&of(texts)).is_some(), "{texts:?}");
        }
        let many: Vec<String> = (0..130).map(|first| format!("{first}.0.0.0/8")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(
            too_much(&of(&many)).as_deref(),
            Some("holds 58 % of all IPv4 addresses")
        );
    }

    #[test]
    fn bogons_and_large_networks_are_not() {
        for texts in [
            &["0.0.0.0/8", "10.0.0.0/8", "224.0.0.0/3", "10.0.0.0/9"][..],
            &["128.0.0.0/2", "128.0.0.0/3"],
            &[
                "2d00::/8",
                "2e00::/7",
                "3000::/4",
                "4000::/2",
                "8000::/1",
                "2001:db8::/32",
            ],
        ] {
            assert_eq!(too_much(&of(texts)), None, "{texts:?}");
        }
    }
}
