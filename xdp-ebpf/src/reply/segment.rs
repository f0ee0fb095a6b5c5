//! A TCP segment back to where a frame came from, with checksums made from scratch (RFC 1071): what the frame says of its
//! own is not looked at.

use xdp_common::Address;

use crate::{cursor::FrameMut, packet::Packet, reply::Write};

/// Length of the IP headers, bytes.
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
/// TCP's protocol number.
const TCP: u32 = 6;
/// Time to live and hop limit, as the kernel's default.
const TTL: u8 = 64;

/// A TCP header in words of memory order, without ports and checksum.
#[derive(Clone, Copy)]
pub(super) struct Header<const N: usize> {
    /// The whole header; ports and checksum are zero.
    pub(super) words: [u32; N],
}

impl<const N: usize> Header<N> {
    /// With these numbers, flags and window; options follow from the sixth word on.
    #[inline(always)]
    pub(super) fn new(sequence: u32, acknowledgement: u32, flags: u8, window: u16) -> Self {
        let mut words = [0; N];
        words[1] = sequence.to_be();
        words[2] = acknowledgement.to_be();
        let [high, low] = window.to_be_bytes();
        words[3] = u32::from_ne_bytes([(N as u8) << 4, flags, high, low]);
        Self { words }
    }
}

/// Makes the frame into this segment, from the packet's destination to its source. False: the frame has no room for it.
#[inline(always)]
pub(super) fn send<const N: usize, F: FrameMut>(
    frame: &mut F,
    packet: &Packet,
    header: Header<N>,
    write: Write,
) -> bool {
    if write == Write::No {
        return true;
    }
    let network_at = usize::from(packet.network_at & 0x1f);
    let v4 = packet.destination.is_v4();
    let len = network_at + if v4 { IPV4_LEN } else { IPV6_LEN } + 4 * N;
    if is_to_group(frame) || !frame.set_len(len) || !swap_hardware(frame) {
        return false;
    }
    if v4 {
        frame.put(network_at, ipv4(packet, 4 * N)) && frame.put(network_at + IPV4_LEN, finish(packet, header))
    } else {
        frame.put(network_at, ipv6(packet, 4 * N)) && frame.put(network_at + IPV6_LEN, finish(packet, header))
    }
}

/// A frame to a group (IEEE 802: the lowest bit of the first byte) is not ours to answer.
#[inline(always)]
fn is_to_group<F: FrameMut>(frame: &F) -> bool {
    let [first] = frame.words(0);
    first & u32::from_ne_bytes([1, 0, 0, 0]) != 0
}

/// Swaps the hardware addresses; VLAN tags stay.
#[inline(always)]
fn swap_hardware<F: FrameMut>(frame: &mut F) -> bool {
    let [a, b, c] = frame.words(0);
    // Twelve bytes: six and six, exchanged.
    frame.put(0, [b >> 16 | c << 16, c >> 16 | a << 16, a >> 16 | b << 16])
}

/// IPv4 without options, not to be fragmented (RFC 6864 lets the identification be zero then).
#[inline(always)]
fn ipv4(packet: &Packet, payload_len: usize) -> [u32; 5] {
    let [high, low] = ((IPV4_LEN + payload_len) as u16).to_be_bytes();
    let mut words = [
        u32::from_ne_bytes([0x45, 0, high, low]),
        u32::from_ne_bytes([0, 0, 0x40, 0]),
        u32::from_ne_bytes([TTL, TCP as u8, 0, 0]),
        u32::from_ne_bytes(packet.destination.v4_bytes()),
        u32::from_ne_bytes(packet.source.v4_bytes()),
    ];
    words[2] |= u32::from(checksum(sum(0, &words))) << 16;
    words
}

#[inline(always)]
fn ipv6(packet: &Packet, payload_len: usize) -> [u32; 10] {
    let [high, low] = (payload_len as u16).to_be_bytes();
    let (from, to) = (halves(packet.destination), halves(packet.source));
    [
        u32::from_ne_bytes([0x60, 0, 0, 0]),
        u32::from_ne_bytes([high, low, TCP as u8, TTL]),
        from[0],
        from[1],
        from[2],
        from[3],
        to[0],
        to[1],
        to[2],
        to[3],
    ]
}

/// Ports and checksum. An IPv4-mapped address adds `ffff` to the sum where IPv4's pseudo-header has nothing, twice: zero in
/// one's complement arithmetic, so both families have one pseudo-header (RFC 9293, section 3.1; RFC 8200, section 8.1).
#[inline(always)]
fn finish<const N: usize>(packet: &Packet, header: Header<N>) -> [u32; N] {
    let mut words = header.words;
    words[0] = packet.ports() << 16 | packet.ports() >> 16;
    let pseudo = u64::from((TCP + 4 * N as u32).to_be());
    let addresses = sum(sum(pseudo, &halves(packet.source)), &halves(packet.destination));
    words[4] = u32::from(checksum(sum(addresses, &words)));
    words
}

/// The address in four words of memory order.
#[inline(always)]
fn halves(address: Address) -> [u32; 4] {
    let [a, b] = address.words();
    [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32]
}

#[inline(always)]
fn sum(start: u64, words: &[u32]) -> u64 {
    let mut total = start;
    let mut at = 0;
    while at < words.len() {
        total += u64::from(words[at]);
        at += 1;
    }
    total
}

/// The complement of the sum, folded to 16 bits; in memory order, as the words were.
#[inline(always)]
const fn checksum(sum: u64) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let twice = (once & 0xffff) + (once >> 16);
    let thrice = (twice & 0xffff) + (twice >> 16);
    !(thrice as u16)
}
