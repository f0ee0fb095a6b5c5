//! One captured packet.

use std::net::IpAddr;

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use jiff::Timestamp;
use xdp_common::sample::SAMPLE_BYTES;

use crate::{
    clock::Now,
    tables::{Mode, Sample},
};

/// Bytes of a frame that are kept at most: as many as the program samples.
pub const SNAP: usize = SAMPLE_BYTES;
/// Of what cannot be read as far as its transport, so much is taken for headers.
const UNREADABLE: usize = 64;

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It passed to the host's network stack.
    Passed,
    /// The program's verdict was to drop it.
    Dropped {
        /// Why.
        reason: String,
        /// The mode was "enforce": it was really dropped.
        really: bool,
    },
}

impl Fate {
    /// In words, for the comment of a packet.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Passed => "passed".to_owned(),
            Self::Dropped { reason, really: true } => format!("dropped: {reason}"),
            Self::Dropped { reason, really: false } => format!("passed in mode monitor, would be dropped: {reason}"),
        }
    }
}

/// One captured packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// When it came.
    pub at: Timestamp,
    /// The interface that it came in by; empty where that is not known.
    pub interface: String,
    /// What became of it.
    pub fate: Fate,
    /// Bytes of the whole frame.
    pub frame_bytes: u32,
    /// Its first bytes, from the Ethernet header on.
    pub bytes: Vec<u8>,
}

impl Captured {
    /// Of a sample of the program.
    #[must_use]
    pub fn of_sample(sample: &Sample, now: Now, mode: Mode) -> Self {
        Self {
            at: now.wall_of(sample.at),
            interface: interface_name(sample.ifindex),
            fate: Fate::Dropped {
                reason: sample.reason.name().to_owned(),
                really: mode == Mode::Enforce,
            },
            frame_bytes: sample.frame_len,
            bytes: sample.header.clone(),
        }
    }

    /// The same without what is behind its headers.
    #[must_use]
    pub fn headers_only(mut self) -> Self {
        let length = headers_len(&self.bytes);
        self.bytes.truncate(length);
        self
    }
}

/// Empty for one that is gone by now.
fn interface_name(index: u32) -> String {
    let name = nix::net::if_::if_indextoname(index).ok();
    name.and_then(|name| name.into_string().ok()).unwrap_or_default()
}

/// The destination of a frame, as far as it can be read.
#[must_use]
pub(super) fn destination(frame: &[u8]) -> Option<IpAddr> {
    match LaxSlicedPacket::from_ethernet(frame).ok()?.net? {
        LaxNetSlice::Ipv4(ip) => Some(ip.header().destination_addr().into()),
        LaxNetSlice::Ipv6(ip) => Some(ip.header().destination_addr().into()),
        LaxNetSlice::Arp(_) => None,
    }
}

/// Bytes of a frame up to the end of its transport header. ICMP is all header: what it carries is the header of another packet.
fn headers_len(frame: &[u8]) -> usize {
    let unreadable = frame.len().min(UNREADABLE);
    let Ok(packet) = LaxSlicedPacket::from_ethernet(frame) else {
        return unreadable;
    };
    let until = |payload: &[u8]| payload.as_ptr().addr() - frame.as_ptr().addr();
    match (&packet.transport, &packet.net) {
        (Some(TransportSlice::Tcp(tcp)), _) => until(tcp.payload()),
        (Some(TransportSlice::Udp(udp)), _) => until(udp.payload()),
        (Some(_), _) => frame.len(),
        (None, Some(LaxNetSlice::Ipv4(ip))) => until(ip.payload().payload),
        (None, Some(LaxNetSlice::Ipv6(ip))) => until(ip.payload().payload),
        (None, Some(LaxNetSlice::Arp(_)) | None) => unreadable,
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;

    fn captured(bytes: Vec<u8>) -> Captured {
        Captured {
            at: Timestamp::UNIX_EPOCH,
            interface: "eth0".to_owned(),
            fate: Fate::Passed,
            frame_bytes: 1_000,
            bytes,
        }
    }

    #[test]
    fn the_payload_goes_and_the_headers_stay() {
        let builder = || PacketBuilder::ethernet2([2; 6], [3; 6]);
        let (v4, v6) = (([198, 51, 100, 7], [203, 0, 113, 7]), ([0x20; 16], [0x30; 16]));
        let mut tcp = Vec::new();
        let segment = builder().single_vlan(5.try_into().expect("VLAN")).ipv6(v6.0, v6.1, 64);
        segment
            .tcp(40_000, 80, 1, 64)
            .write(&mut tcp, b"GET /secret")
            .expect("memory");
        assert_eq!(captured(tcp).headers_only().bytes.len(), 14 + 4 + 40 + 20);
        let mut udp = Vec::new();
        builder()
            .ipv4(v4.0, v4.1, 64)
            .udp(53, 9)
            .write(&mut udp, b"secret")
            .expect("memory");
        assert_eq!(destination(&udp), Some("203.0.113.7".parse().expect("address")));
        assert_eq!(captured(udp).headers_only().bytes.len(), 14 + 20 + 8);
        assert_eq!(captured(vec![0xff; 128]).headers_only().bytes.len(), UNREADABLE);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_grow(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
            let length = bytes.len();
            prop_assert!(captured(bytes).headers_only().bytes.len() <= length);
        }
    }
}
