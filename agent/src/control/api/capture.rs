//! Captures, as JSON.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    capture::{Captured, Ended, Fate, Which},
    config::units::Span,
    headers,
};

/// `POST /v1/capture`. The answer is one JSON object a line, as packets come: [`CaptureLine`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureRequest {
    /// A protected address.
    pub address: IpAddr,
    /// Packets at most.
    pub count: u32,
    /// Time at most.
    pub time: Span,
    /// Dropped ones, those that passed, or all.
    #[serde(default)]
    pub which: Which,
    /// With what is behind the headers, as far as it was copied.
    #[serde(default)]
    pub payload: bool,
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureLine {
    /// A packet.
    Packet(PacketView),
    /// The end, and what is not shown.
    End(Ended),
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FateView {
    Passed,
    Dropped,
    WouldDrop,
}

/// A captured packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketView {
    /// When it came.
    pub at: Timestamp,
    /// The interface that it came in by; empty where that is not known.
    pub interface: String,
    fate: FateView,
    /// Why it was (or would be) dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who sent what to whom, as far as its header tells.
    pub packet: String,
    /// Length of the whole frame in bytes.
    pub frame_bytes: u32,
    /// Its first bytes in hexadecimal, from the Ethernet header on.
    pub header_hex: String,
}

impl From<&Captured> for PacketView {
    fn from(captured: &Captured) -> Self {
        let (fate, reason) = match &captured.fate {
            Fate::Passed => (FateView::Passed, None),
            Fate::Dropped { reason, really: true } => (FateView::Dropped, Some(reason.clone())),
            Fate::Dropped { reason, really: false } => (FateView::WouldDrop, Some(reason.clone())),
        };
        Self {
            at: captured.at,
            interface: captured.interface.clone(),
            fate,
            reason,
            packet: headers::describe(&captured.bytes),
            frame_bytes: captured.frame_bytes,
            header_hex: captured.bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl PacketView {
    /// The packet that it shows; `None` if its bytes make no sense.
    #[must_use]
    pub fn captured(&self) -> Option<Captured> {
        let really = self.fate == FateView::Dropped;
        let fate = match self.fate {
            FateView::Passed => Fate::Passed,
            FateView::Dropped | FateView::WouldDrop => Fate::Dropped {
                reason: self.reason.clone().unwrap_or_default(),
                really,
            },
        };
        Some(Captured {
            at: self.at,
            interface: self.interface.clone(),
            fate,
            frame_bytes: self.frame_bytes,
            bytes: bytes(&self.header_hex)?,
        })
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

impl Which {
    /// From the flags of the command line.
    #[must_use]
    pub const fn of(only_dropped: bool, only_passed: bool) -> Self {
        match (only_dropped, only_passed) {
            (true, false) => Self::Dropped,
            (false, true) => Self::Passed,
            _ => Self::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_comes_back_as_it_went() {
        for fate in [
            Fate::Passed,
            Fate::Dropped {
                reason: "syn_rate".to_owned(),
                really: false,
            },
        ] {
            let captured = Captured {
                at: Timestamp::UNIX_EPOCH,
                interface: "eth0".to_owned(),
                fate,
                frame_bytes: 90,
                bytes: vec![0, 1, 0xfe, 0xff],
            };
            let json = serde_json::to_string(&PacketView::from(&captured)).expect("JSON");
            let view: PacketView = serde_json::from_str(&json).expect("reads back");
            assert_eq!(view.captured(), Some(captured));
        }
        assert_eq!(bytes("0g"), None);
    }
}
