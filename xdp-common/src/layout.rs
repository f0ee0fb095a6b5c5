//! Sizes of what is shared with the kernel side, asserted, and the memory that the maps take.

use core::mem::size_of;

use crate::{
    Address, AddressCpu, AddressPolicy, CpuState, Explained, ListEntry, Sample, Settings, SourceLocal, SourceRecord,
    address_index::{self, AddressBucket},
    connection,
    counter::AddressCarry,
    distinct::Distinct,
    group::GroupEntry,
    known::{self, KnownBucket, MaybeKnown},
    list_filter,
    list_table::{self, LISTS_MAX, ListRecord},
    listener::{self, ListenerFacts, ListenerKey, ListenerLocal},
    map_name,
    retry::RetryLine,
    sketch,
    source::LOCAL_SLOTS,
    tally::{self, Record, Seen},
    turn::Turn,
    vector::{VECTORS, VectorBucket, VectorLimit, VectorLocal},
};

// No implicit padding anywhere: each size is the sum of its fields.
const _: () = assert!(size_of::<Address>() == 16);
const _: () = assert!(size_of::<AddressPolicy>() == 2 * 24 + 3 * 8 + 4 * 4 + 8);
const _: () = assert!(size_of::<AddressCpu>() == 64 * 4 + 2 * 16 + 8 + 16);
const _: () = assert!(size_of::<AddressCarry>() == 64 * 8);
const _: () = assert!(size_of::<ListEntry>() == 16);
const _: () = assert!(size_of::<ListRecord>() == 64);
const _: () = assert!(size_of::<Settings>() == 24 + 4 * 16 + 16 + 8 + 8 + 4 + 5 * 4);
const _: () = assert!(size_of::<SourceRecord>() == 40);
const _: () = assert!(size_of::<SourceLocal>() == 48);
const _: () = assert!(size_of::<CpuState>() == 2 * 8 + 3 * 8 + 24 + 8 + 8 + 64 + 64 + 40 + 32);
const _: () = assert!(size_of::<Sample>() == 24 + 128);
const _: () = assert!(size_of::<Explained>() == 8 * 8 + 4 + 2 + 2);
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
const _: () = assert!(size_of::<GroupEntry>() == 24);
const _: () = assert!(size_of::<VectorLimit>() == 2 * 24);
const _: () = assert!(size_of::<VectorBucket>() == 64);
const _: () = assert!(size_of::<VectorLocal>() == 16);
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
    /// Groups of them.
    pub groups: u32,
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
        Self::usual()
    }
}

impl Capacity {
    /// What the configuration has where it says nothing.
    pub const fn usual() -> Self {
        Self {
            addresses: 4_096,
            groups: 64,
            list_entries: 16_384,
            list_prefixes: 1_250_000,
            sources: 65_536,
            known_sources: 1 << 17,
            retry_lines: 1 << 17,
            listeners: 16_384,
        }
    }

    /// Slots of addresses and of groups, with slot 0 for traffic to none of them.
    pub const fn slots(&self) -> u32 {
        self.addresses + 1 + self.groups
    }

    /// Buckets of known sources.
    pub const fn known_buckets(&self) -> u32 {
        self.known_sources / known::WAYS
    }

    /// Bytes that the table of all lists takes while there are any; twice that for the moment in which one replaces another.
    pub const fn list_table_bytes(&self) -> u64 {
        list_table::words(self.list_prefixes) as u64 * 8
    }

    /// Bytes that each map takes with so many possible CPUs, all filled. Element overheads are those of the kernel's
    /// `struct htab_elem` (48 bytes), `struct lpm_trie_node` (40, and up to one intermediate node per entry) and the
    /// hash buckets (16). [`Self::list_table_bytes`] come besides.
    pub const fn memory_by_map(&self, cpus: u64) -> [(&'static str, u64); MAPS] {
        const TRIE: u64 = 2 * (40 + 16);
        const HASH: u64 = 48 + 16;
        let slots = self.slots() as u64;
        let vectors = slots * VECTORS as u64;
        let listener = HASH + (size_of::<ListenerKey>() + size_of::<ListenerFacts>()) as u64;
        [
            (map_name::SETTINGS, size_of::<Settings>() as u64),
            (
                map_name::ADDRESSES,
                array::<AddressBucket>(address_index::buckets(self.addresses) as u64),
            ),
            (map_name::POLICIES, array::<AddressPolicy>(2 * slots)),
            (map_name::ADDRESS_CPU, array::<AddressCpu>(slots) * cpus),
            (map_name::ADDRESS_CARRY, array::<AddressCarry>(slots)),
            (map_name::ADDRESS_RATE, array::<RateBucket>(slots)),
            (map_name::GROUPS, array::<GroupEntry>(self.groups as u64)),
            (map_name::VECTOR_LIMITS, array::<VectorLimit>(2 * vectors)),
            (map_name::VECTOR_RATE, array::<VectorBucket>(vectors)),
            (map_name::VECTOR_CPU, array::<VectorLocal>(vectors) * cpus),
            (map_name::LIST_FILTER, list_filter::WORDS as u64 * 8),
            (
                map_name::SOURCE_LIST,
                self.list_entries as u64 * (TRIE + size_of::<ListEntry>() as u64),
            ),
            (map_name::LISTS, 8),
            (map_name::LIST_RECORDS, array::<ListRecord>(LISTS_MAX as u64 + 1)),
            (map_name::LIST_PACKETS, (LISTS_MAX as u64 + 1) * 8 * cpus),
            (map_name::SKETCH, array::<sketch::Block>(sketch::BLOCKS as u64)),
            (
                map_name::SOURCES,
                self.sources as u64 * (HASH + 16 + size_of::<SourceRecord>() as u64),
            ),
            (map_name::SOURCE_LOCAL, array::<SourceLocal>(LOCAL_SLOTS as u64) * cpus),
            (map_name::CPU, size_of::<CpuState>() as u64 * cpus),
            (map_name::SAMPLES, SAMPLE_RING_BYTES as u64),
            (map_name::KNOWN, array::<KnownBucket>(self.known_buckets() as u64)),
            (map_name::MAYBE_KNOWN, array::<MaybeKnown>(known::MAYBE_PAIRS as u64)),
            (map_name::RETRY, array::<RetryLine>(self.retry_lines as u64)),
            (map_name::LISTENERS, self.listeners as u64 * listener),
            (
                map_name::LISTENER_LOCAL,
                array::<ListenerLocal>(listener::LOCAL_SLOTS as u64) * cpus,
            ),
            (
                map_name::CONNECTIONS,
                array::<connection::Page>(connection::PAGES as u64) * cpus,
            ),
            (map_name::TALLY, array::<tally::Set>(tally::ALL_SETS as u64) * cpus),
            (map_name::DISTINCT, size_of::<Distinct>() as u64 * cpus),
        ]
    }

    /// Bytes that all maps take together.
    pub const fn memory_bytes(&self, cpus: u64) -> u64 {
        let maps = self.memory_by_map(cpus);
        let (mut sum, mut at) = (0, 0);
        while at < MAPS {
            sum += maps[at].1;
            at += 1;
        }
        sum
    }
}

/// Pinned maps.
const MAPS: usize = map_name::ALL.len();

/// Bytes of so many elements.
const fn array<T>(elements: u64) -> u64 {
    elements * size_of::<T>() as u64
}

#[cfg(feature = "user")]
mod pod {
    //! Every bit pattern is a value of these types, and none has padding: they may travel through aya's maps.
    use super::RateBucket;
    use crate::{
        Address, AddressCpu, AddressPolicy, CpuState, Explained, ListEntry, Settings, SourceLocal, SourceRecord,
        address_index::AddressBucket,
        counter::AddressCarry,
        distinct::Distinct,
        group::GroupEntry,
        known::{KnownBucket, MaybeKnown},
        list_table::ListRecord,
        listener::{ListenerFacts, ListenerKey, ListenerLocal},
        retry::RetryLine,
        sketch::Block,
        tally::Set,
        vector::{VectorBucket, VectorLimit, VectorLocal},
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
        AddressCarry,
        AddressCpu,
        AddressPolicy,
        Block,
        CpuState,
        Distinct,
        Explained,
        GroupEntry,
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
        VectorBucket,
        VectorLimit,
        VectorLocal,
    );
}

#[cfg(test)]
mod tests {
    use super::Capacity;
    use crate::map_name;

    #[test]
    fn every_map_is_counted() {
        let maps = Capacity::default().memory_by_map(1);
        assert!(maps.iter().map(|(name, _)| name).eq(map_name::ALL));
        assert!(maps.iter().all(|(name, bytes)| *bytes > 0 && !name.is_empty()));
    }

    #[test]
    fn all_maps_stay_under_64_mib_by_default() {
        let bytes = Capacity::default().memory_bytes(16);
        assert!(bytes < 64 << 20, "{bytes} bytes");
    }
}
