//! Builds the generator's plan: a frame with everything in it that is the same for every packet, and the sums of that.

use std::net::IpAddr;

use anyhow::{Result, bail};
use lab_ebpf::{
    plan::{
        LONG_SEGMENT, MAX_TARGETS, MIDDLE_SEGMENT, PROTOCOL_TCP, PROTOCOL_UDP, Plan, SHORT_SEGMENT, SYN_TIMESTAMP_AT,
        TEMPLATE_LEN, TIMESTAMP_AT,
    },
    range::{BOTNET_V4, BOTNET_V6, DOCUMENTATION_V6, Range, SPOOFED_V4, SPOOFED_V6},
};

use xdp_ebpf::packet::tcp_flag as flag;

use super::{Flood, Options, Payload, Sources};
use crate::addresses::{BALANCER_MAC, GATEWAY_MAC};

/// One family's plan and its share of the packets.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) plan: Plan,
    /// Length of the frames, bytes.
    pub(super) frame_len: usize,
    /// Share of the packets, 0 to 1.
    pub(super) share: f64,
}

/// Builds the plans of IPv4 and IPv6; none for a family that the flood does not use.
pub(super) fn families(flood: &Flood, interface: u32) -> Result<[Option<Family>; 2]> {
    if flood.vlans.len() > 2 {
        bail!("a frame has at most two VLAN tags, not {}", flood.vlans.len());
    }
    let [v4_share, v6_share] = shares(flood.sources);
    let v4 = family(flood, interface, false, v4_share)?;
    let v6 = family(flood, interface, true, v6_share)?;
    Ok([v4, v6])
}

fn shares(sources: Sources) -> [f64; 2] {
    match sources {
        Sources::One(IpAddr::V4(_))
        | Sources::Range {
            first: IpAddr::V4(_), ..
        } => [1.0, 0.0],
        Sources::One(IpAddr::V6(_))
        | Sources::Range {
            first: IpAddr::V6(_), ..
        } => [0.0, 1.0],
        Sources::Botnet { v4: 0, v6: 0 } => [0.0, 0.0],
        Sources::Botnet { v4, v6 } => {
            let all = f64::from(v4) + f64::from(v6);
            [f64::from(v4) / all, f64::from(v6) / all]
        }
        Sources::Spoofed { v6_percent } => {
            let v6 = f64::from(v6_percent.min(100)) / 100.0;
            [1.0 - v6, v6]
        }
    }
}

fn family(flood: &Flood, interface: u32, is_v6: bool, share: f64) -> Result<Option<Family>> {
    if share == 0.0 {
        return Ok(None);
    }
    let mut targets = [[0; 4]; MAX_TARGETS];
    let mut target_count = 0;
    for target in flood
        .targets
        .iter()
        .filter(|target| target.is_ipv6() == is_v6)
        .take(MAX_TARGETS)
    {
        targets[target_count] = words(*target);
        target_count += 1;
    }
    if target_count == 0 {
        bail!(
            "the flood has IPv{} sources and no such target",
            if is_v6 { 6 } else { 4 }
        );
    }
    let mut frame = ethernet(&flood.vlans, is_v6);
    let segment = segment(flood)?;
    let ip = ip_header(flood.payload, segment.len() as u16, is_v6);
    frame.extend_from_slice(&ip);
    frame.extend_from_slice(&segment);
    let mut template = [0; TEMPLATE_LEN];
    template[..frame.len()].copy_from_slice(&frame);
    let (source, source_span, random_host) = source(flood.sources, is_v6);
    let plan = Plan {
        template,
        targets,
        source,
        source_span,
        random_host: random_host.into(),
        target_count: u32::try_from(target_count)?,
        vlan_tags: u32::try_from(flood.vlans.len())?,
        protocol: protocol(flood.payload),
        interface,
        header_sum: sum(&ip),
        segment_sum: sum(&segment) + pseudo_header(flood.payload, segment.len() as u16),
        segment_len: u32::try_from(segment.len())?,
        timestamp_at: timestamp_at(flood.payload),
        random_port: (flood.port == 0).into(),
        random_acknowledgement: acknowledges(flood.payload).into(),
    };
    Ok(Some(Family {
        plan,
        frame_len: frame.len(),
        share,
    }))
}

const fn protocol(payload: Payload) -> u32 {
    match payload {
        Payload::Tcp { .. } => PROTOCOL_TCP,
        Payload::Udp => PROTOCOL_UDP,
    }
}

/// Where the program puts four random bytes into the segment; 0 for nowhere.
const fn timestamp_at(payload: Payload) -> u32 {
    match payload {
        Payload::Udp => SYN_TIMESTAMP_AT,
        Payload::Tcp { options, .. } => match options {
            Options::Linux => SYN_TIMESTAMP_AT,
            Options::Timestamps => TIMESTAMP_AT,
            Options::Windows | Options::None => 0,
        },
    }
}

const fn acknowledges(payload: Payload) -> bool {
    match payload {
        Payload::Udp => false,
        Payload::Tcp { flags, .. } => flags & flag::ACK != 0,
    }
}

/// First source, how many there are, and whether the lower half of an IPv6 one is random.
fn source(sources: Sources, is_v6: bool) -> ([u32; 4], u32, bool) {
    let from = |v4: Range, v6: Range, count: u64, random_host: bool| {
        let base = if is_v6 {
            [DOCUMENTATION_V6.to_be(), v6.base.to_be(), 0, 1_u32.to_be()]
        } else {
            [v4.base.to_be(), 0, 0, 0]
        };
        let most = if is_v6 { v6.len() } else { v4.len() };
        (base, u32::try_from(count.min(most)).unwrap_or(u32::MAX), random_host)
    };
    match sources {
        Sources::One(address) => (words(address), 1, false),
        Sources::Range { first, count } => (words(first), count, false),
        Sources::Botnet { v4, v6 } => from(BOTNET_V4, BOTNET_V6, u64::from(if is_v6 { v6 } else { v4 }), false),
        Sources::Spoofed { .. } => from(SPOOFED_V4, SPOOFED_V6, u64::MAX, true),
    }
}

fn ethernet(vlans: &[u16], is_v6: bool) -> Vec<u8> {
    let mut frame = [BALANCER_MAC, GATEWAY_MAC].concat();
    for (depth, vlan) in vlans.iter().enumerate() {
        // Outside 802.1ad if there are two, else 802.1Q.
        let kind: u16 = if vlans.len() == 2 && depth == 0 { 0x88a8 } else { 0x8100 };
        frame.extend(kind.to_be_bytes());
        frame.extend((vlan & 0x0fff).to_be_bytes());
    }
    frame.extend(if is_v6 { 0x86dd_u16 } else { 0x0800 }.to_be_bytes());
    frame
}

fn ip_header(payload: Payload, segment_len: u16, is_v6: bool) -> Vec<u8> {
    let number = protocol(payload) as u8;
    let mut header;
    if is_v6 {
        header = vec![0x60, 0, 0, 0, 0, 0, number, 64];
        header[4..6].copy_from_slice(&segment_len.to_be_bytes());
        header.resize(40, 0);
    } else {
        // Don't fragment, TTL 64, as Linux sends.
        header = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, number];
        header[2..4].copy_from_slice(&(20 + segment_len).to_be_bytes());
        header.resize(20, 0);
    }
    header
}

fn segment(flood: &Flood) -> Result<Vec<u8>> {
    let port = flood.port.to_be_bytes();
    let mut segment = vec![0, 0, port[0], port[1]];
    let Payload::Tcp { flags, options, data } = flood.payload else {
        segment.extend((LONG_SEGMENT as u16).to_be_bytes());
        segment.resize(LONG_SEGMENT, 0);
        return Ok(segment);
    };
    let options = option_bytes(options);
    let words = (SHORT_SEGMENT + options.len()) as u8 / 4;
    segment.extend([0; 8]);
    // Length in words, flags, window 64,240, checksum, urgent pointer.
    segment.extend([words << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    segment.extend(options);
    if data {
        // As much as leads to the next length that the program knows.
        let Some(longer) = [MIDDLE_SEGMENT, LONG_SEGMENT]
            .into_iter()
            .find(|len| *len > segment.len())
        else {
            bail!("a segment with all options of a Linux client's SYN has no room for data");
        };
        segment.resize(longer, b'.');
    }
    Ok(segment)
}

const fn option_bytes(options: Options) -> &'static [u8] {
    match options {
        // MSS 1,460; SACK permitted; timestamps; nothing; window scale 7.
        Options::Linux => &[2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7],
        // MSS 1,460; nothing; window scale 8; nothing twice; SACK permitted.
        Options::Windows => &[2, 4, 0x05, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2],
        // Nothing twice; timestamps.
        Options::Timestamps => &[1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0],
        Options::None => &[],
    }
}

/// The pseudo-header without its addresses: protocol and length.
fn pseudo_header(payload: Payload, segment_len: u16) -> u32 {
    sum(&segment_len.to_be_bytes()) + sum(&[0, protocol(payload) as u8])
}

/// The sum of 16-bit words in memory order, as the Internet checksum adds them.
fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair[1]])))
        .sum()
}

/// An address as four words in wire byte order.
fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [u32::from_ne_bytes(address.octets()), 0, 0, 0],
        IpAddr::V6(address) => {
            let bytes = address.octets();
            let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            [word(0), word(4), word(8), word(12)]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, Ipv6Addr},
        time::Duration,
    };

    use super::*;

    fn flood(sources: Sources) -> Flood {
        Flood {
            interface: "none".to_owned(),
            sources,
            targets: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            port: 80,
            payload: Payload::SYN,
            vlans: vec![],
            rate_pps: None,
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn frames_are_as_long_as_a_linux_clients_syn() {
        let [v4, v6] = families(&flood(Sources::Botnet { v4: 3, v6: 1 }), 1).expect("a sound flood");
        let (v4, v6) = (v4.expect("IPv4"), v6.expect("IPv6"));
        assert_eq!((v4.frame_len, v6.frame_len), (74, 94));
        assert_eq!((v4.share, v6.share), (0.75, 0.25));
    }

    #[test]
    fn segments_have_the_lengths_that_the_program_knows() {
        let length = |flags, options, data| {
            let flood = Flood {
                payload: Payload::Tcp { flags, options, data },
                ..flood(Sources::One(Ipv4Addr::LOCALHOST.into()))
            };
            segment(&flood).map(|segment| (segment.len(), segment[12] >> 4))
        };
        let known = [
            (Options::Linux, false, (40, 10)),
            (Options::Windows, false, (32, 8)),
            (Options::Timestamps, false, (32, 8)),
            (Options::Timestamps, true, (40, 8)),
            (Options::None, false, (20, 5)),
            (Options::None, true, (32, 5)),
        ];
        for (options, data, right) in known {
            assert_eq!(
                length(flag::ACK, options, data).expect("fits"),
                right,
                "{options:?} {data}"
            );
        }
        assert!(length(flag::SYN, Options::Linux, true).is_err());
    }

    #[test]
    fn a_family_without_sources_or_targets_is_noticed() {
        let [v4, v6] = families(&flood(Sources::One(Ipv4Addr::LOCALHOST.into())), 1).expect("a sound flood");
        assert!(v4.is_some() && v6.is_none());
        let mut without_v6 = flood(Sources::Spoofed { v6_percent: 20 });
        without_v6.targets.truncate(1);
        assert!(families(&without_v6, 1).is_err());
        let [v4, v6] = families(&flood(Sources::Botnet { v4: 0, v6: 0 }), 1).expect("an empty flood");
        assert!(v4.is_none() && v6.is_none());
    }

    #[test]
    fn spoofed_sources_cover_their_whole_range() {
        assert_eq!(source(Sources::Spoofed { v6_percent: 0 }, false).1, 1 << 29);
        assert_eq!(source(Sources::Spoofed { v6_percent: 0 }, true).1, 1 << 28);
    }
}
