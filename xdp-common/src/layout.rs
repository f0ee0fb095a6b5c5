//! Sizes of what is shared with the kernel side, asserted, and the memory that the maps take.

use core::mem::size_of;

use crate::{
    Address, AddressCpu, AddressPolicy, CpuState, ListEntry, Sample, Settings, SourceLocal, SourceRecord,
    address_index::{self, AddressBucket},
    list_filter, sketch,
    source::LOCAL_SLOTS,
};

// No implicit padding anywhere: each size is the sum of its fields.
const _: () = assert!(size_of::<Address>() == 16);
const _: () = assert!(size_of::<AddressPolicy>() == 24 + 8 + 4 + 4);
const _: () = assert!(size_of::<AddressCpu>() == 64 * 8 + 16 + 16);
const _: () = assert!(size_of::<ListEntry>() == 16);
const _: () = assert!(size_of::<Settings>() == 24 + 16 + 8 + 8 + 8);
const _: () = assert!(size_of::<SourceRecord>() == 40);
const _: () = assert!(size_of::<SourceLocal>() == 48);
const _: () = assert!(size_of::<CpuState>() == 72);
const _: () = assert!(size_of::<Sample>() == 24 + 128);
const _: () = assert!(size_of::<sketch::Block>() == 32);
const _: () = assert!(size_of::<AddressBucket>() == 128);

/// The bucket of an address, alone on its cache line, so that two addresses under attack do not share one.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateBucket {
    /// Theoretical arrival time (see [`crate::rate`]), CLOCK_MONOTONIC ns.
    pub tat_ns: u64,
    /// The rest of the line.
    pub padding: [u64; 7],
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
    /// Exact records of heavy sources.
    pub sources: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            addresses: 1_024,
            list_entries: 16_384,
            sources: 65_536,
        }
    }
}

impl Capacity {
    /// Slots of addresses, with slot 0 for traffic to none of them.
    pub const fn slots(&self) -> u32 {
        self.addresses + 1
    }

    /// Bytes that the maps take with so many possible CPUs, all filled. Element overheads are those of the kernel's
    /// `struct htab_elem` (48 bytes), `struct lpm_trie_node` (40, and up to one intermediate node per entry) and the
    /// hash buckets (16).
    pub const fn memory_bytes(&self, cpus: u64) -> u64 {
        let per_cpu = self.slots() as u64 * size_of::<AddressCpu>() as u64
            + LOCAL_SLOTS as u64 * size_of::<SourceLocal>() as u64
            + size_of::<CpuState>() as u64;
        let addresses = address_index::buckets(self.addresses) as u64 * size_of::<AddressBucket>() as u64
            + self.slots() as u64 * (2 * size_of::<AddressPolicy>() + size_of::<RateBucket>()) as u64;
        let filter = list_filter::WORDS as u64 * 8;
        let list = filter + self.list_entries as u64 * (2 * (40 + 16) + size_of::<ListEntry>() as u64);
        let sources = self.sources as u64 * (48 + 16 + 16 + size_of::<SourceRecord>() as u64);
        let sketch = sketch::BLOCKS as u64 * size_of::<sketch::Block>() as u64;
        per_cpu * cpus + addresses + list + sources + sketch + SAMPLE_RING_BYTES as u64
    }
}

#[cfg(feature = "user")]
mod pod {
    //! Every bit pattern is a value of these types, and none has padding: they may travel through aya's maps.
    use super::RateBucket;
    use crate::{
        Address, AddressCpu, AddressPolicy, CpuState, ListEntry, Settings, SourceLocal, SourceRecord,
        address_index::AddressBucket, sketch::Block,
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
        ListEntry,
        RateBucket,
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
