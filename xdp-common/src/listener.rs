//! What a SYN-ACK of this host's kernel would say, for each address and port that listens; and what one CPU knows of it.

/// Bits of [`ListenerFacts::options`]: what the host's kernel would take up if the client offers it.
pub mod option {
    /// Timestamps, and by them the other options: only where the kernel reads them from a cookie (`tcp_timestamps=2`).
    pub const TIMESTAMPS: u8 = 1;
    /// Window scaling.
    pub const WINDOW_SCALING: u8 = 2;
    /// Selective acknowledgement.
    pub const SACK: u8 = 4;
    /// Explicit congestion notification.
    pub const ECN: u8 = 8;
}

/// Where a listener is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerKey {
    /// Slot of the protected address.
    pub slot: u32,
    /// Port as on the wire (network byte order).
    pub port: [u8; 2],
    /// Zero.
    pub reserved: u16,
}

impl ListenerKey {
    /// The same in one word that is never 0 for a protected address.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        (self.slot as u64) << 16 | u16::from_ne_bytes(self.port) as u64
    }
}

/// What the agent learned of a listener. All zero: nothing, and a SYN-ACK offers an MSS only.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerFacts {
    /// Window to advertise, bytes, unscaled; 0 when not known.
    pub window: u16,
    /// MSS to advertise, bytes; 0 when not known.
    pub mss: u16,
    /// Window scale that the kernel will choose, 0 to 14 (RFC 7323).
    pub window_scale: u8,
    /// Bits of [`option`].
    pub options: u8,
    /// 1: the agent wrote this; in all zero it did not.
    pub learned: u8,
    /// Zero.
    pub reserved: u8,
}

/// Slots of a CPU's cache of listeners; a power of two.
pub const LOCAL_SLOTS: u32 = 256;
/// So long a CPU believes what the kernel said of a listener.
pub const FRESH_NS: u64 = 50_000_000;
/// SYNs that one CPU may look up a listener for beyond those of the cache and the agent's table, in a jiffy.
pub const LOOKUPS_PER_TICK: u32 = 16;

/// What the kernel said of a listener.
pub mod state {
    /// It takes cookies now.
    pub const COOKIES: u32 = 1;
    /// Its queue has room (`tcp_syncookies=1`) or the SYN meets another socket: the SYN is the kernel's.
    pub const KERNEL: u32 = 2;
    /// Its accept queue is full: the kernel would drop the SYN.
    pub const FULL: u32 = 3;
    /// Nobody listens.
    pub const NONE: u32 = 4;
}

/// One CPU's memory of a listener.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerLocal {
    /// [`ListenerKey::word`]; 0: nobody's.
    pub key: u64,
    /// Believed until then, CLOCK_MONOTONIC ns.
    pub fresh_until_ns: u64,
    /// What a SYN-ACK says.
    pub facts: ListenerFacts,
    /// One of [`state`].
    pub state: u32,
    /// Zero.
    pub reserved: u32,
}

/// The cache slot of a listener (Fibonacci hashing, Knuth, TAOCP 3, 6.4).
#[inline(always)]
pub const fn local_slot(key: u64) -> u32 {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u32 & (LOCAL_SLOTS - 1)
}
