//! The SYN-ACK that this host's kernel would send with a SYN cookie (RFC 4987, section 3.6; the kernel's
//! net/ipv4/syncookies.c). The acknowledgement of it goes to the listener, and the kernel finds its own cookie there.

use xdp_common::{
    Reason,
    listener::{ListenerFacts, option, state},
};

use super::{
    Write,
    options::{NO_SCALE, Options, offers},
    segment::{self, Header},
};
use crate::{
    cursor::FrameMut,
    packet::{
        Packet,
        tcp_flag::{ACK, SYN},
    },
    tables::Tables,
};

/// ECN flags (RFC 3168, section 6.1): a SYN that asks has both, the answer has the first.
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;
/// What the kernel writes into the lower bits of the timestamp (`cookie_init_timestamp`), and how many bits that are.
const TS_NO_SCALE: u32 = 0xf;
const TS_SACK: u32 = 1 << 4;
const TS_ECN: u32 = 1 << 5;
const TS_BITS: u32 = 6;
/// What a peer that says no MSS takes (RFC 9293, section 3.7.1).
const MSS_V4: u16 = 536;
const MSS_V6: u16 = 1_220;
/// What an Ethernet link takes, for listeners that the agent has not told of.
const LINK_MSS_V4: u16 = 1_460;
const LINK_MSS_V6: u16 = 1_440;
/// Window of a listener that the agent has not told of: what the smallest default receive buffer takes.
const WINDOW: u16 = 32_120;

/// Answers a SYN with the kernel's cookie, or says why not.
#[inline(always)]
pub(super) fn answer<F: FrameMut, T: Tables>(
    frame: &mut F,
    packet: &Packet,
    slot: u32,
    write: Write,
    tables: &T,
) -> Reason {
    let listener = tables.listener(slot, packet);
    match listener.state {
        state::COOKIES => {}
        state::KERNEL => return Reason::SynKernel,
        state::FULL => return Reason::AcceptFull,
        _ => return Reason::NoListener,
    }
    let offered = tables.options(frame, packet);
    if offered.has(offers::SIGNED) {
        return Reason::SynKernel;
    }
    let v4 = packet.destination.is_v4();
    let mss = match offered.mss {
        0 if v4 => MSS_V4,
        0 => MSS_V6,
        mss => mss,
    };
    let Some(cookie) = tables.cookie(packet, packet.sequence, mss) else {
        return Reason::SynKernel;
    };
    let timestamps = offered.has(offers::TIMESTAMPS) && listener.facts.options & option::TIMESTAMPS != 0;
    let sent = if timestamps {
        let header = with_timestamps(packet, &offered, &listener.facts, cookie, tables.now_ms());
        segment::send(frame, packet, header, write)
    } else {
        segment::send(frame, packet, plain(packet, &listener.facts, cookie), write)
    };
    if !sent {
        return Reason::SynKernel;
    }
    name(packet, &offered, timestamps)
}

#[inline(always)]
fn name(packet: &Packet, offered: &Options, timestamps: bool) -> Reason {
    if packet.has_data || offered.has(offers::FAST_OPEN) {
        Reason::ReplyCookieData
    } else if offered.has(offers::MALFORMED) {
        Reason::ReplyCookieMalformed
    } else if timestamps {
        Reason::ReplyCookie
    } else {
        Reason::ReplyCookiePlain
    }
}

/// MSS only: nothing else can be kept in a cookie without timestamps.
#[inline(always)]
fn plain(packet: &Packet, facts: &ListenerFacts, cookie: u32) -> Header<6> {
    let mut header = Header::new(cookie, packet.sequence.wrapping_add(1), SYN | ACK, window(facts));
    header.words[5] = mss_option(packet, facts);
    header
}

/// MSS, SACK permitted, timestamps, NOP, window scale, in the kernel's order (`tcp_options_write`).
#[inline(always)]
fn with_timestamps(packet: &Packet, offered: &Options, facts: &ListenerFacts, cookie: u32, now_ms: u32) -> Header<10> {
    let sack = offered.has(offers::SACK) && facts.options & option::SACK != 0;
    let scale = offered.window_scale != NO_SCALE && facts.options & option::WINDOW_SCALING != 0;
    let ecn = packet.tcp_flags & (ECE | CWR) == ECE | CWR && facts.options & option::ECN != 0;
    let flags = if ecn { SYN | ACK | ECE } else { SYN | ACK };
    let mut header = Header::new(cookie, packet.sequence.wrapping_add(1), flags, window(facts));
    header.words[5] = mss_option(packet, facts);
    header.words[6] = if sack {
        u32::from_ne_bytes([4, 2, 8, 10])
    } else {
        u32::from_ne_bytes([1, 1, 8, 10])
    };
    let kept = if scale {
        u32::from(offered.window_scale)
    } else {
        TS_NO_SCALE
    } | if sack { TS_SACK } else { 0 }
        | if ecn { TS_ECN } else { 0 };
    header.words[7] = timestamp(now_ms, kept).to_be();
    header.words[8] = offered.timestamp;
    header.words[9] = if scale {
        u32::from_ne_bytes([1, 3, 3, facts.window_scale])
    } else {
        u32::from_ne_bytes([1, 1, 1, 1])
    };
    header
}

/// The latest instant that is not in the future and has these lower bits.
#[inline(always)]
const fn timestamp(now_ms: u32, kept: u32) -> u32 {
    let candidate = now_ms >> TS_BITS << TS_BITS | kept;
    if candidate > now_ms {
        candidate.wrapping_sub(1 << TS_BITS)
    } else {
        candidate
    }
}

#[inline(always)]
const fn window(facts: &ListenerFacts) -> u16 {
    if facts.window == 0 { WINDOW } else { facts.window }
}

#[inline(always)]
fn mss_option(packet: &Packet, facts: &ListenerFacts) -> u32 {
    let mss = match facts.mss {
        0 if packet.destination.is_v4() => LINK_MSS_V4,
        0 => LINK_MSS_V6,
        mss => mss,
    };
    let [high, low] = mss.to_be_bytes();
    u32::from_ne_bytes([2, 4, high, low])
}
