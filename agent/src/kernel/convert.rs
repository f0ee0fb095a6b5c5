//! Between the agent's friendly types and the layouts shared with the program.

use std::{io, net::IpAddr, time::Duration};

use aya::maps::{MapError, lpm_trie::Key};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use xdp_common::{
    Address, Method as KernelMethod, Rung as KernelRung, cost::CostLimit, rate, source, vector::VectorLimit,
};

use crate::{
    config::units::{BitRate, Burst, PacketRate, Rate},
    tables::{Limit, Method, MonotonicNs, Rung, TableError},
    vectors::VectorRates,
};

/// Bits in front of an IPv4 address in its 16-byte form.
const V4_OFFSET: u8 = 96;
/// "No end" in the kernel's entries.
const FOREVER: u64 = u64::MAX;

/// The key of a prefix in the source list.
pub(super) fn key(prefix: IpNet) -> Key<[u8; 16]> {
    let address = Address::from(prefix.network()).to_bytes();
    Key::new(u32::from(prefix_bits(prefix)), address)
}

/// Length of a prefix in bits of the 16-byte address.
pub(super) fn prefix_bits(prefix: IpNet) -> u8 {
    match prefix {
        IpNet::V4(v4) => v4.prefix_len() + V4_OFFSET,
        IpNet::V6(v6) => v6.prefix_len(),
    }
}

/// The prefix of a key. Prefixes shorter than the IPv4-mapped part are IPv6 ones.
pub(super) fn prefix(key: &Key<[u8; 16]>) -> Option<IpNet> {
    let bits = u8::try_from(key.prefix_len()).ok()?;
    match IpAddr::from(Address::from_bytes(key.data())) {
        IpAddr::V4(v4) if bits >= V4_OFFSET => Ipv4Net::new(v4, bits - V4_OFFSET).ok().map(IpNet::V4),
        IpAddr::V4(v4) => Ipv6Net::new(v4.to_ipv6_mapped(), bits).ok().map(IpNet::V6),
        IpAddr::V6(v6) => Ipv6Net::new(v6, bits).ok().map(IpNet::V6),
    }
}

/// A source (IPv4 address or IPv6 /64) as a prefix.
pub(super) fn source_prefix(source: Address) -> IpNet {
    match IpAddr::from(source) {
        IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, 32)),
        IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, source::V6_PREFIX_LEN)),
    }
}

/// `until` as the program reads it.
pub(super) fn until_ns(until: Option<MonotonicNs>) -> u64 {
    until.map_or(FOREVER, |MonotonicNs(ns)| ns)
}

/// `until` as the agent reads it.
pub(super) fn until(ns: u64) -> Option<MonotonicNs> {
    (ns != FOREVER).then_some(MonotonicNs(ns))
}

/// A threshold as the program computes with it.
pub(super) fn limit(limit: Limit) -> rate::Limit {
    rate::Limit::new(
        limit.syn_rate.per_second().min(rate::Limit::RATE_MAX),
        limit.syn_burst.events(),
    )
}

/// A threshold read back; one that was never written counts as the highest there is.
pub(super) fn limit_back(limit: rate::Limit) -> Limit {
    let highest = rate::Limit::RATE_MAX;
    Limit {
        syn_rate: Rate::new(limit.rate().unwrap_or(highest)).unwrap_or(Rate::MAX),
        syn_burst: Burst::new(limit.burst().unwrap_or(highest)).unwrap_or(Burst::MAX),
    }
}

/// The rate below which an address in verify counts as calm: half its threshold.
pub(super) fn calm(limit: Limit) -> rate::Limit {
    let half = |whole: u32| (whole / 2).max(1);
    rate::Limit::new(
        half(limit.syn_rate.per_second().min(rate::Limit::RATE_MAX)),
        half(limit.syn_burst.events()),
    )
}

/// The rates of a vector as the program computes with them.
pub(super) fn vector(rates: VectorRates) -> VectorLimit {
    VectorLimit {
        packets: rates
            .packets
            .per_second()
            .map_or(CostLimit::UNLIMITED, CostLimit::packets),
        bytes: rates.bits.per_second().map_or(CostLimit::UNLIMITED, CostLimit::bits),
    }
}

/// The same read back.
pub(super) fn vector_back(limit: VectorLimit) -> VectorRates {
    VectorRates {
        packets: PacketRate::clamped(limit.packets.per_second()),
        bits: BitRate::clamped(limit.bytes.bits_per_second()),
    }
}

/// A duration as the program computes with it.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(FOREVER)
}

/// A rung as the program reads it. What stands above `known` is no rung to it: underneath, only known sources get in.
pub(super) const fn rung(rung: Rung) -> KernelRung {
    match rung {
        Rung::Observe => KernelRung::Observe,
        Rung::Limit => KernelRung::Limit,
        Rung::Verify => KernelRung::Verify,
        Rung::Known | Rung::Blackhole | Rung::Upstream => KernelRung::Known,
    }
}

/// A rung read back; what no agent writes counts as the lowest that limits.
pub(super) fn rung_back(value: u8) -> Rung {
    Rung::ALL
        .into_iter()
        .find(|known| rung(*known) as u8 == value)
        .unwrap_or(Rung::Limit)
}

/// A method as the program reads it.
pub(super) const fn method(method: Method) -> KernelMethod {
    match method {
        Method::Drop => KernelMethod::Drop,
        Method::Cookie => KernelMethod::Cookie,
        Method::Challenge => KernelMethod::Challenge,
    }
}

/// A method read back.
pub(super) fn method_back(value: u8) -> Method {
    [Method::Cookie, Method::Challenge]
        .into_iter()
        .find(|known| method(*known) as u8 == value)
        .unwrap_or(Method::Drop)
}

/// A failed access to a map, in words.
pub(super) fn failed(what: &str, map: &str, error: &MapError) -> TableError {
    TableError::Kernel(format!("cannot {what} map {map}: {}", describe(error)))
}

/// A failed insertion: a full map says which setting makes it larger.
pub(super) fn insert_failed(map: &str, capacity: u64, setting: &'static str, error: &MapError) -> TableError {
    match raw_os_error(error) {
        Some(nix::libc::E2BIG | nix::libc::ENOSPC) => TableError::Full {
            map: map.to_owned(),
            capacity,
            setting,
        },
        _ => failed("write", map, error),
    }
}

/// aya keeps the cause behind the call's name; operators need both.
fn describe(error: &MapError) -> String {
    match error {
        MapError::SyscallError(syscall) => format!("{}: {}", syscall.call, syscall.io_error),
        other => other.to_string(),
    }
}

/// True when the key was not there.
pub(super) fn is_missing(error: &MapError) -> bool {
    matches!(error, MapError::KeyNotFound) || raw_os_error(error) == Some(nix::libc::ENOENT)
}

fn raw_os_error(error: &MapError) -> Option<i32> {
    match error {
        MapError::SyscallError(syscall) => syscall.io_error.raw_os_error(),
        MapError::IoError(error) => io::Error::raw_os_error(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_survive_the_key() {
        for text in [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "192.0.2.1/32",
            "2001:db8::/32",
            "2001:db8::1/128",
            "::/0",
            "::/90",
        ] {
            let net: IpNet = text.parse().expect("test prefix");
            assert_eq!(prefix(&key(net)), Some(net), "{text}");
        }
    }

    #[test]
    fn limits_survive_the_conversion() {
        let given = Limit {
            syn_rate: Rate::new(20_000).expect("rate"),
            syn_burst: Burst::new(40_000).expect("burst"),
        };
        assert_eq!(limit_back(limit(given)), given);
    }
}
