//! A sample of a dropped packet's headers, as it travels through the ring buffer.

/// Bytes of the frame that a sample keeps: Ethernet, two VLAN tags, IPv6, some extension headers, TCP with options.
pub const SAMPLE_BYTES: usize = 128;

/// One dropped (or, in monitor mode, would-be dropped) packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// CLOCK_MONOTONIC, ns (to the jiffy).
    pub now_ns: u64,
    /// Length of the whole frame in bytes.
    pub frame_len: u32,
    /// Interface it came in by.
    pub ifindex: u32,
    /// Slot of the destination.
    pub slot: u32,
    /// Valid bytes in `bytes`.
    pub captured: u16,
    /// A [`crate::Reason`].
    pub reason: u8,
    /// Zero.
    pub reserved: u8,
    /// The first bytes of the frame.
    pub bytes: [u8; SAMPLE_BYTES],
}
