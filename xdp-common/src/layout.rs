//! Sizes of what is shared with the kernel side, asserted, and the memory that the maps take.

use core::mem::size_of;

use crate::{
    Address, AddressCpu, AddressPolicy, CpuState, ListEntry, Sample, Settings, SourceLocal, SourceRecord,
    address_index::{self, AddressBucket},
    connection,
    distinct::Distinct,
    known::{self, KnownBucket, MaybeKnown},
    list_filter,
    list_table::{self, LISTS_MAX, ListRecord},
    listener::{self, ListenerFacts, ListenerKey, ListenerLocal},
    retry::RetryLine,
    sketch,
    source::LOCAL_SLOTS,
    tally::{self, Record, Seen},
    turn::Turn,
};

// No implicit padding anywhere: each size is the sum of its fields.
const _: () = assert!(size_of::<Address>() == 16);
const _: () = assert!(size_of::<AddressPolicy>() == 2 * 24 + 3 * 8 + 4 + 12);
const _: () = assert!(size_of::<AddressCpu>() == 64 * 8 + 2 * 16 + 8 + 16);
const _: () = assert!(size_of::<ListEntry>() == 16);
const _: () = assert!(size_of::<ListRecord>() == 64);
const _: () = assert!(size_of::<Settings>() == 24 + 16 + 8 + 8 + 4 + 5 * 4);
const _: () = assert!(size_of::<SourceRecord>() == 40);
const _: () = assert!(size_of::<SourceLocal>() == 48);
const _: () = assert!(size_of::<CpuState>() == 2 * 8 + 3 * 8 + 24 + 8 + 8 + 56 + 40 + 32);
const _: () = assert!(size_of::<Sample>() == 24 + 128);
const _: () = assert!(size_of::<sketch::Block>() == 32);
const _: () = assert!(size_of::<Turn>() == 40);
const _: () = assert!(size_of::<Seen>() == 32);
const _: () = assert!(size_of::<Record>() == 64);
const _: () = assert!(size_of::<tally::Set>() == 512);
const _: () = assert!(size_of::<Distinct>() == 3 * 8 + 2 * 1_024);
const _: () = assert!(size_of::<AddressBucket>() == 128);
const _: () = assert!(size_of::<KnownBucket>() == 16);
const _: () = assert!(size_of::<MaybeKnown>() == 16);
const _: () = assert!(size_of::<RetryLine>() == 64);
const _: () = assert!(size_of::<ListenerKey>() == 8);
const _: () = assert!(size_of::<ListenerFacts>() == 8);
const _: () = assert!(size_of::<ListenerLocal>() == 32);

/// What all CPUs share of an address: its buckets and its way into verify, alone on its cache line, so that two addresses under attack do not share one.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateBucket {
    /// Theoretical arrival time (see [`crate::rate`]), CLOCK_MONOTONIC ns.
    pub tat_ns: u64,
    /// The same of the SYNs of known sources while the address is in verify.
    pub known_tat_ns: u64,
    /// In verify until then, CLOCK_MONOTONIC ns. Of slot 0: the latest of all addresses.
    pub verify_until_ns: u64,
    /// When the address last entered verify by itself, CLOCK_MONOTONIC ns; 0: never.
    pub verify_since_ns: u64,
    /// The rest of the line.
    pub padding: [u64; 4],
}

/// Bytes of the sample ring; a power of two and a multiple of the page size.
pub const SAMPLE_RING_BYTES: u32 = 256 * 1024;

/// How many elements the resizable maps hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Protected addresses.
    pub addresses: u32,
    /// Entries of the source list.
    pub list_entries: u32,
    /// Prefixes of all lists together.
    pub list_prefixes: u32,
    /// Exact records of heavy sources.
    pub sources: u32,
    /// Sources that can be known; a power of two.
    pub known_sources: u32,
    /// Lines of the retry filter; a power of two. A line remembers some sixty SYNs.
    pub retry_lines: u32,
    /// Listeners that the agent can tell of.
    pub listeners: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            addresses: 1_024,
            list_entries: 16_384,
            list_prefixes: 1_250_000,
            sources: 65_536,
            known_sources: 1 << 17,
            retry_lines: 1 << 17,
            listeners: 16_384,
        }
    }
}

impl Capacity {
    /// Slots of addresses, with slot 0 for traffic to none of them.
    pub const fn slots(&self) -> u32 {
        self.addresses + 1
    }

    /// Buckets of known sources.
    pub const fn known_buckets(&self) -> u32 {
        self.known_sources / known::WAYS
    }

    /// Bytes that the table of all lists takes while there are any; twice that for the moment in which one replaces another.
    pub const fn list_table_bytes(&self) -> u64 {
        list_table::words(self.list_prefixes) as u64 * 8
    }

    /// Bytes that the maps take with so many possible CPUs, all filled, without [`Self::list_table_bytes`]. Element overheads are those of the kernel's
    /// `struct htab_elem` (48 bytes), `struct lpm_trie_node` (40, and up to one intermediate node per entry) and the
    /// hash buckets (16).
    pub const fn memory_bytes(&self, cpus: u64) -> u64 {
        let per_cpu = self.slots() as u64 * size_of::<AddressCpu>() as u64
            + LOCAL_SLOTS as u64 * size_of::<SourceLocal>() as u64
            + listener::LOCAL_SLOTS as u64 * size_of::<ListenerLocal>() as u64
            + connection::PAGES as u64 * size_of::<connection::Page>() as u64
            + (LISTS_MAX + 1) as u64 * 8
            + tally::ALL_SETS as u64 * size_of::<tally::Set>() as u64
            + (size_of::<Distinct>() + size_of::<CpuState>()) as u64;
        let addresses = address_index::buckets(self.addresses) as u64 * size_of::<AddressBucket>() as u64
            + self.slots() as u64 * (2 * size_of::<AddressPolicy>() + size_of::<RateBucket>()) as u64;
        let filter = list_filter::WORDS as u64 * 8;
        let records = (LISTS_MAX + 1) as u64 * size_of::<ListRecord>() as u64;
        let list = filter + records + self.list_entries as u64 * (2 * (40 + 16) + size_of::<ListEntry>() as u64);
        let sources = self.sources as u64 * (48 + 16 + 16 + size_of::<SourceRecord>() as u64);
        let sketch = sketch::BLOCKS as u64 * size_of::<sketch::Block>() as u64;
        let proofs = self.known_buckets() as u64 * size_of::<KnownBucket>() as u64
            + known::MAYBE_PAIRS as u64 * size_of::<MaybeKnown>() as u64
            + self.retry_lines as u64 * size_of::<RetryLine>() as u64
            + self.listeners as u64 * (48 + 16 + (size_of::<ListenerKey>() + size_of::<ListenerFacts>()) as u64);
        per_cpu * cpus + addresses + list + sources + sketch + proofs + SAMPLE_RING_BYTES as u64
    }
}

#[cfg(feature = "user")]
mod pod {
    //! Every bit pattern is a value of these types, and none has padding: they may travel through aya's maps.
    use super::RateBucket;
    use crate::{
        Address, AddressCpu, AddressPolicy, CpuState, ListEntry, Settings, SourceLocal, SourceRecord,
        address_index::AddressBucket,
        distinct::Distinct,
        known::{KnownBucket, MaybeKnown},
        list_table::ListRecord,
        listener::{ListenerFacts, ListenerKey, ListenerLocal},
        retry::RetryLine,
        sketch::Block,
        tally::Set,
    };

    macro_rules! pod {
        ($($name:ty),+ $(,)?) => {
            // SAFETY: `repr(C)`, only integers inside, no padding (the sizes are asserted above).
            $(unsafe impl aya::Pod for $name {})+
        };
    }
    pod!(
        Address,
        AddressBucket,
        AddressCpu,
        AddressPolicy,
        Block,
        CpuState,
        Distinct,
        KnownBucket,
        ListEntry,
        ListRecord,
        ListenerFacts,
        ListenerKey,
        ListenerLocal,
        MaybeKnown,
        RateBucket,
        RetryLine,
        Set,
        Settings,
        SourceLocal,
        SourceRecord,
    );
}

#[cfg(test)]
mod tests {
    use super::Capacity;

    #[test]
    fn all_maps_stay_under_64_mib_by_default() {
        let bytes = Capacity::default().memory_bytes(16);
        assert!(bytes < 64 << 20, "{bytes} bytes");
    }
}
