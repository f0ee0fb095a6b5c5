//! What the program `explain` saw on its way to a verdict: it judges a packet by the very code and maps of the program on the
//! interface, writes to none of them, and notes here what user space could read only later, when it has changed.

/// Notes of one run on one CPU. Instants are CLOCK_MONOTONIC ns.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// The clock that the judge went by: at most a jiffy old.
    pub now_ns: u64,
    /// The address's SYN bucket, see [`crate::layout::RateBucket`].
    pub address_tat_ns: u64,
    /// The bucket of its known sources.
    pub known_tat_ns: u64,
    /// The address is in verify until then.
    pub verify_until_ns: u64,
    /// This CPU found the address's SYN bucket empty, and does not look at it before then.
    pub address_dry_until_ns: u64,
    /// The SYN bucket of the address's group.
    pub group_tat_ns: u64,
    /// The group is in verify until then.
    pub group_verify_until_ns: u64,
    /// The bucket of a source that has a record, see [`crate::SourceRecord`].
    pub source_tat_ns: u64,
    /// SYNs of the source in the sketch's window, about (see [`crate::sketch`]).
    pub source_syns: u32,
    /// The large list that holds the source, if any: [`crate::Listed::bits`].
    pub listed: u16,
    /// The [`crate::Reason`].
    pub reason: u8,
    /// Bits of [`bit`].
    pub bits: u8,
}

/// What holds or does not.
pub mod bit {
    /// The destination is a protected address.
    pub const PROTECTED: u8 = 1 << 0;
    /// The source completed a handshake lately.
    pub const KNOWN: u8 = 1 << 1;
    /// The source has a record, because it was heavy.
    pub const RECORDED: u8 = 1 << 2;
    /// This CPU can pay for an answer to a first SYN.
    pub const CAN_ANSWER: u8 = 1 << 3;
}

impl Explained {
    /// Whether a bit of [`bit`] is set.
    pub const fn has(&self, bit: u8) -> bool {
        self.bits & bit != 0
    }
}
