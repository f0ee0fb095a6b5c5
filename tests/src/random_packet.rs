//! Packets drawn from a seed, most of them nearly sound: every transport, tags, options, extension headers, fragments, and
//! bytes that lie. Or drawn from bytes that a fuzzer chose, which then chooses the packets.

use std::{collections::VecDeque, net::IpAddr};

use xdp_common::Preset;

use crate::packet::{Packet, Transport, extension, flag};

/// Length of every frame is a multiple of this (cut ones excepted), so that what a test's buckets hold is, too.
pub const STEP: usize = 500;

/// Numbers from a seed, or from bytes.
#[derive(Clone, Debug)]
pub struct Random(From);

#[derive(Clone, Debug)]
enum From {
    /// Small and good enough (Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014: SplitMix64).
    Seed(u64),
    Bytes(VecDeque<u8>),
}

impl Random {
    /// The generator of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(From::Seed(seed))
    }

    /// What these bytes say, and zeros behind their end. A choice takes as few of them as tell it, so that a byte that is
    /// changed changes one choice.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(From::Bytes(bytes.iter().copied().collect()))
    }

    /// True when all bytes are used up; never with a seed.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        match &self.0 {
            From::Seed(_) => false,
            From::Bytes(bytes) => bytes.is_empty(),
        }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        match &mut self.0 {
            From::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }
            From::Bytes(_) => self.taken(8),
        }
    }

    /// So many of the given bytes as a number; of a seed, all 64 bits.
    fn taken(&mut self, count: usize) -> u64 {
        match &mut self.0 {
            From::Seed(_) => self.bits(),
            From::Bytes(bytes) => {
                let count = count.min(bytes.len());
                bytes.drain(..count).fold(0, |value, byte| value << 8 | u64::from(byte))
            }
        }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let bytes = (usize::BITS - bound.saturating_sub(1).leading_zeros()).div_ceil(8);
        (self.taken(bytes as usize) % bound as u64) as usize
    }

    /// True once in `of`.
    pub fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Who sends and who receives.
#[derive(Clone, Debug)]
pub struct World {
    /// Sources that a test knows; others are drawn.
    pub sources: Vec<IpAddr>,
    /// Destinations.
    pub destinations: Vec<IpAddr>,
    /// Of them, those that no reset goes to: what a reset means there is one of 32,768 chances.
    pub without_resets: Vec<IpAddr>,
}

impl World {
    /// The same with so many of its destinations.
    #[must_use]
    pub fn of_some(&self, random: &mut Random, destinations: usize) -> Self {
        Self {
            destinations: (0..destinations).map(|_| *random.one(&self.destinations)).collect(),
            ..self.clone()
        }
    }

    /// A frame.
    pub fn frame(&self, random: &mut Random) -> Vec<u8> {
        let destination = *random.one(&self.destinations);
        let source = self.source(random, destination.is_ipv6());
        let resets = !self.without_resets.contains(&destination);
        let mut packet = Packet::new(&source.to_string(), &destination.to_string(), transport(random, resets))
            .ports(source_port(random), random.bits() as u16);
        packet = packet.vlan(random.one::<&[u16]>(&[
            &[],
            &[],
            &[],
            &[],
            &[0x8100],
            &[0x88a8, 0x8100],
            &[0x88a8, 0x8100, 0x8100],
        ]));
        packet = if destination.is_ipv6() {
            extended(packet, random)
        } else {
            packet.ip_options(*random.one(&[0, 0, 0, 0, 4, 20, 40]))
        };
        if random.once_in(6) {
            let offset = *random.one(&[0, 0, 0, 1, 2, 100, 185, 0x1fff]);
            packet = packet.fragment(offset, offset == 0 && !random.once_in(8) || random.once_in(2));
        }
        finish(&packet, random)
    }

    fn source(&self, random: &mut Random, is_ipv6: bool) -> IpAddr {
        if random.once_in(4) {
            let of_family: Vec<IpAddr> = self
                .sources
                .iter()
                .copied()
                .filter(|source| source.is_ipv6() == is_ipv6)
                .collect();
            return *random.one(&of_family);
        }
        let bits = random.bits();
        if is_ipv6 {
            let network = u128::from(0x2001_0db8_0000_0000 | bits & 0xffff_ffff);
            IpAddr::V6((network << 64 | u128::from(random.bits())).into())
        } else {
            IpAddr::V4((bits as u32).into())
        }
    }
}

/// Often one that means something.
fn source_port(random: &mut Random) -> u16 {
    if random.once_in(3) {
        random.one(Preset::ALL).port()
    } else {
        random.bits() as u16
    }
}

fn transport(random: &mut Random, resets: bool) -> Transport {
    let payload = random.below(1_200);
    match random.below(10) {
        0 | 1 => Transport::Tcp {
            flags: flag::SYN,
            options: *random.one(&[0, 4, 20]),
            payload: if random.once_in(8) { payload } else { 0 },
        },
        2 | 3 => {
            let flags = if random.once_in(3) {
                random.bits() as u8
            } else {
                *random.one(&[
                    flag::ACK,
                    flag::ACK | flag::PSH,
                    flag::FIN | flag::ACK,
                    flag::SYN | flag::ACK,
                    flag::RST,
                ])
            };
            Transport::Tcp {
                flags: if resets { flags } else { flags & !flag::RST | flag::ACK },
                options: 12,
                payload,
            }
        }
        4..=6 => Transport::Udp { payload },
        7 => Transport::Icmp(random.bits() as u8),
        8 => Transport::Icmp(*random.one(&[0, 3, 8, 128, 129, 133, 134, 135, 136, 137])),
        _ => {
            let protocol = *random.one(&[47, 50, 89, 132, 6, 17, 1, 58, 0, 43, 44]);
            Transport::Raw(protocol, vec![random.bits() as u8; random.below(64)])
        }
    }
}

fn extended(mut packet: Packet, random: &mut Random) -> Packet {
    let kinds = [
        extension::HOP_BY_HOP,
        extension::ROUTING,
        extension::DESTINATION,
        extension::AUTHENTICATION,
    ];
    let headers = if random.once_in(4) { random.below(9) } else { 0 };
    for _ in 0..headers {
        packet = packet.extension(*random.one(&kinds), 8 * (1 + random.below(3)));
    }
    packet
}

/// Padded to a multiple of [`STEP`], sometimes with bytes changed before; or cut off. Not both: what is only cut off is
/// malformed, and meets no rate with an odd length.
fn finish(packet: &Packet, random: &mut Random) -> Vec<u8> {
    let mut frame = packet.bytes();
    if random.once_in(6) {
        for _ in 0..=random.below(3) {
            let at = 12 + random.below(frame.len().min(120) - 12);
            frame[at] = random.bits() as u8;
        }
    } else if random.once_in(12) {
        frame.truncate(15 + random.below(frame.len() - 15));
        return frame;
    }
    frame.resize(frame.len().next_multiple_of(STEP), 0);
    frame
}
