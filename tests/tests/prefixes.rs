//! Address and prefix arithmetic, wherever its domain is small enough to try all of it: every prefix length of both families
//! around the ends of the address space, and where the halves of a 16-byte address meet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use agent::{config::prefix, kernel::mark};
use ipnet::IpNet;
use xdp_common::{Address, list_filter};

/// Where carries and masks go wrong.
fn ends() -> Vec<IpAddr> {
    let v4 = [
        0,
        1,
        0x7f00_0001,
        0x7fff_ffff,
        0x8000_0000,
        0xc000_0200,
        0xffff_fffe,
        u32::MAX,
    ];
    let v6 = [
        0,
        1,
        0xffff_ffff_ffff,
        0xffff_c000_0201,
        0x1_0000_0000_0000,
        0x2001_0db8 << 96,
        (0x2001_0db8 << 96) + u128::from(u64::MAX),
        (0x2001_0db8 << 96) + (1 << 64),
        1 << 127,
        u128::MAX - 1,
        u128::MAX,
    ];
    let v4 = v4.into_iter().map(|bits: u32| IpAddr::V4(bits.into()));
    v4.chain(v6.into_iter().map(|bits: u128| IpAddr::V6(bits.into())))
        .collect()
}

/// Every prefix around every end.
fn every() -> impl Iterator<Item = IpNet> {
    ends().into_iter().flat_map(|end| {
        let longest = if end.is_ipv4() { 32 } else { 128 };
        (0..=longest).map(move |bits| IpNet::new(end, bits).expect("a length of its family").trunc())
    })
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

#[test]
fn every_prefix_is_read_as_it_is_printed_or_refused() {
    let all_mapped: Ipv6Addr = Ipv4Addr::UNSPECIFIED.to_ipv6_mapped();
    let (mut read, mut refused) = (0, 0);
    for net in every() {
        let mapped = matches!(net, IpNet::V6(v6) if v6.contains(&all_mapped) || v6.addr().to_ipv4_mapped().is_some());
        match prefix::parse(&net.to_string()) {
            Ok(found) if mapped => {
                let IpNet::V6(v6) = net else {
                    panic!("{net} is not IPv6")
                };
                assert!(v6.prefix_len() > 96, "{net} holds all of IPv4");
                let v4 = v6.addr().to_ipv4_mapped().expect("of the mapped range");
                assert_eq!((found.network(), found.prefix_len()), (v4.into(), v6.prefix_len() - 96));
            }
            Ok(found) => {
                assert_eq!(found, net);
                assert_eq!(prefix::parse(&prefix::display(net)), Ok(net));
                read += 1;
            }
            Err(error) => {
                let whole = net.prefix_len() == 0 || mapped && net.prefix_len() <= 96;
                assert!(whole, "{net}: {error}");
                refused += 1;
            }
        }
    }
    assert!(read > 1_000 && refused > 10, "{read} and {refused}");
}

/// Host bits behind a prefix are refused, each one of them.
#[test]
fn every_single_host_bit_is_refused() {
    for net in every().filter(|net| net.prefix_len() > 0 && net.prefix_len() < net.max_prefix_len()) {
        for place in 0..net.max_prefix_len() - net.prefix_len() {
            let address: IpAddr = match net.network() {
                IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) | 1 << place).into()),
                IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) | 1 << place).into()),
            };
            let text = format!("{address}/{}", net.prefix_len());
            prefix::parse(&text).expect_err(&text);
        }
    }
}

/// Both forms of an address are one, its parts are those of plain arithmetic.
#[test]
fn addresses_are_what_their_bits_say() {
    for end in ends() {
        let address = Address::from(end);
        assert_eq!(IpAddr::from(address), end.to_canonical(), "{end}");
        assert_eq!(Address::from_bytes(address.to_bytes()), address);
        let whole = u128::from_be_bytes(address.to_bytes());
        let masked = |kept: u32| Address::from_bytes((whole & u128::MAX << (128 - kept)).to_be_bytes());
        let (source, neighbourhood) = if address.is_v4() { (128, 120) } else { (64, 48) };
        assert_eq!(address.source(), masked(source), "{end}");
        assert_eq!(address.neighbourhood(), masked(neighbourhood), "{end}");
        assert_eq!(address.is_v4(), end.to_canonical().is_ipv4());
    }
}

/// The filter in front of the list: what a prefix holds is never missed, whatever its length.
#[test]
fn the_filter_misses_nothing_that_a_prefix_holds() {
    for net in every() {
        let mut words = vec![0u64; list_filter::WORDS as usize];
        mark(&mut words, net);
        let held = |address: IpAddr| {
            let bit = list_filter::bit_of(Address::from(address));
            let set = |(word, mask): (u32, u64)| words[word as usize] & mask != 0;
            set(list_filter::place(bit)) && set(list_filter::place_in_front(bit))
        };
        let (first, last) = (net.network(), net.broadcast());
        assert!(held(first) && held(last), "the ends of {net}");
        // Each power of two behind the first address, as far as the prefix goes.
        for place in 0..net.max_prefix_len() - net.prefix_len() {
            let within: IpAddr = match first {
                IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) | 1 << place).into()),
                IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) | 1 << place).into()),
            };
            assert!(net.contains(&within) && held(within), "{within} in {net}");
        }
        // Of IPv4, no more than the bits that it shares: the filter is worth having.
        if let IpNet::V4(v4) = net {
            let set: u32 = words[..list_filter::FINE_WORDS as usize]
                .iter()
                .map(|word| word.count_ones())
                .sum();
            let wide = list_filter::V4_BITS.saturating_sub(u32::from(v4.prefix_len()));
            assert_eq!(set, 1 << wide, "{net}");
        }
        assert!(bits(last) >= bits(first));
    }
}
