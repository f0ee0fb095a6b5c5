//! Every map, beside its contract: who writes, who reads, what bounds it, what happens when it is full. All are pinned
//! by name, so that they outlive the agent. Sizes given here are the defaults; the agent sets them by its limits.

use core::{cell::Cell, ptr};

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::generated::bpf_xdp_get_buff_len,
    macros::map,
    maps::{Array, LpmTrie, LruHashMap, PerCpuArray, RingBuf, lpm_trie::Key, ring_buf::RingBufEntry},
    programs::XdpContext,
};
use xdp_common::{
    Address, AddressCpu, AddressPolicy, CpuState, ListEntry, Mode, Sample, Settings, SourceLocal, SourceRecord,
    address_index::{self, AddressBucket, Found},
    layout::{RateBucket, SAMPLE_RING_BYTES},
    list_filter,
    sketch::{self, Block},
    source::{LOCAL_SLOTS, SAMPLING},
};
use xdp_ebpf::{OwnSocket, Packet, SharedSource, Tables, cursor::Frame};

use crate::{clock, socket, verifier, word::KernelWord};

/// Written by the agent, read for each packet. One element.
#[map]
static SETTINGS: Array<Settings> = Array::pinned(1, 0);

/// Protected address → element of POLICIES, in buckets. Written by the agent. Full: the agent refuses the address.
#[map]
static ADDRESSES: Array<AddressBucket> = Array::pinned(2_048, 0);

/// Two for each slot: the agent writes the one that does not hold, then points ADDRESSES to it.
#[map]
static POLICIES: Array<AddressPolicy> = Array::pinned(2_050, 0);

/// By slot. Each CPU writes its own; the agent sums. Bounded by the number of protected addresses and slot 0.
#[map]
static ADDRESS_CPU: PerCpuArray<AddressCpu> = PerCpuArray::pinned(1_025, 0);

/// By slot: the SYN bucket, shared by all CPUs through compare-and-swap of one word, once a batch.
#[map]
static ADDRESS_RATE: Array<RateBucket> = Array::pinned(1_025, 0);

/// Where SOURCE_LIST has entries at all. Written by the agent: bits before entries. Never full.
#[map]
static LIST_FILTER: Array<u64> = Array::pinned(list_filter::WORDS, 0);

/// Listed source prefixes. Written by the agent, read for each packet. Full: the agent refuses the entry.
#[map]
static SOURCE_LIST: LpmTrie<[u8; 16], ListEntry> = LpmTrie::pinned(16_384, 0);

/// Written by all CPUs without locks (a lost count is harmless, see [`xdp_common::sketch`]). Never full.
#[map]
static SKETCH: Array<Block> = Array::pinned(sketch::BLOCKS, 0);

/// Heavy sources. Inserted by the program, a bounded number per jiffy; the least recently used one gives way.
#[map]
static SOURCES: LruHashMap<Address, SourceRecord> = LruHashMap::pinned(65_536, 0);

/// Each CPU's cache over SOURCES, direct-mapped; the newcomer takes the slot.
#[map]
static SOURCE_LOCAL: PerCpuArray<SourceLocal> = PerCpuArray::pinned(LOCAL_SLOTS, 0);

/// Each CPU's clock and small counters. One element.
#[map]
static CPU: PerCpuArray<CpuState> = PerCpuArray::pinned(1, 0);

/// Samples for the agent. Full: the sample is lost and counted.
#[map]
static SAMPLES: RingBuf = RingBuf::pinned(SAMPLE_RING_BYTES, 0);

/// The frame of an XDP context.
pub(crate) struct XdpFrame<'a>(pub(crate) &'a XdpContext);

impl Frame for XdpFrame<'_> {
    #[inline(always)]
    fn start(&self) -> usize {
        self.0.data()
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.0.data_end()
    }

    #[inline(always)]
    fn full_len(&self) -> usize {
        // SAFETY: the context that the kernel gave this run.
        unsafe { bpf_xdp_get_buff_len(self.0.ctx) as usize }
    }
}

/// The settings; before the agent's first write, all zero.
#[inline(always)]
pub(crate) fn settings() -> Option<&'static Settings> {
    SETTINGS.get(0)
}

/// Room for a sample, if the ring has any.
#[inline(always)]
pub(crate) fn reserve_sample() -> Option<RingBufEntry<Sample>> {
    SAMPLES.reserve(0)
}

/// The maps, as one packet sees them. A packet has one CPU and one slot: what it looked up for them once, it keeps.
pub(crate) struct KernelTables<'a> {
    ctx: &'a XdpContext,
    settings: &'static Settings,
    now_ns: Cell<u64>,
    cpu: Cell<*mut CpuState>,
    address_cpu: Cell<*mut AddressCpu>,
}

impl<'a> KernelTables<'a> {
    #[inline(always)]
    pub(crate) fn new(ctx: &'a XdpContext, settings: &'static Settings) -> Self {
        Self {
            ctx,
            settings,
            now_ns: Cell::new(0),
            cpu: Cell::new(ptr::null_mut()),
            address_cpu: Cell::new(ptr::null_mut()),
        }
    }

    /// True in enforce mode.
    #[inline(always)]
    pub(crate) fn enforces(&self) -> bool {
        self.settings.mode == Mode::Enforce as u32
    }

    /// Lends this CPU's own state.
    #[inline(always)]
    pub(crate) fn with_cpu<R>(&self, with: impl FnOnce(&mut CpuState) -> R) -> Option<R> {
        if self.cpu.get().is_null() {
            self.cpu.set(CPU.get_ptr_mut(0)?);
        }
        // SAFETY: this CPU's element; XDP runs to its end on one CPU, and no other reference lives outside a `with`.
        Some(with(unsafe { &mut *self.cpu.get() }))
    }
}

impl Tables for KernelTables<'_> {
    type Word = KernelWord;

    #[inline(always)]
    fn forget(&self, word: u64) -> u64 {
        verifier::forget(word, self.settings.seed[0])
    }

    #[inline(always)]
    fn now_ns(&self) -> u64 {
        if self.now_ns.get() == 0 {
            self.now_ns.set(self.with_cpu(clock::now_ns).unwrap_or(0));
        }
        self.now_ns.get()
    }

    #[inline(always)]
    fn settings(&self) -> &Settings {
        self.settings
    }

    #[inline(always)]
    fn find(&self, destination: &Address) -> Found {
        for bucket in address_index::choices(*destination, self.settings.address_mask) {
            let Some(bucket) = ADDRESSES.get(bucket) else {
                break;
            };
            let found = bucket.find(*destination);
            if found.is_protected() {
                return found;
            }
        }
        Found::NONE
    }

    #[inline(always)]
    fn policy(&self, found: Found) -> Option<&AddressPolicy> {
        POLICIES.get(found.policy)
    }

    #[inline(always)]
    fn listed(&self, source: &Address, prefix_len: u32) -> Option<&ListEntry> {
        let (word, bit) = list_filter::place(list_filter::bit_of(*source));
        if LIST_FILTER.get(word)? & bit == 0 {
            return None;
        }
        SOURCE_LIST.get(Key::new(prefix_len, source.to_bytes()))
    }

    #[inline(always)]
    fn address_rate(&self, slot: u32) -> Option<KernelWord> {
        // SAFETY: a live, aligned word of a map element, changed by atomic operations only.
        ADDRESS_RATE
            .get_ptr_mut(slot)
            .map(|bucket| unsafe { KernelWord::new(&raw mut (*bucket).tat_ns) })
    }

    #[inline(always)]
    fn with_address_cpu<R>(&self, slot: u32, with: impl FnOnce(&mut AddressCpu) -> R) -> Option<R> {
        if self.address_cpu.get().is_null() {
            self.address_cpu.set(ADDRESS_CPU.get_ptr_mut(slot)?);
        }
        // SAFETY: as for `with_cpu`.
        Some(with(unsafe { &mut *self.address_cpu.get() }))
    }

    #[inline(always)]
    fn sketch_count(&self, hash: u64, syns: u64, now_ns: u64) -> u32 {
        let Some(shared) = SKETCH.get_ptr_mut(sketch::block_of(hash)) else {
            return 0;
        };
        // SAFETY: a live, aligned element. Another CPU may write it between read and write: a count is lost, and both
        // states are sound.
        let mut block = unsafe { shared.read() };
        let estimate = block.count(hash, syns, now_ns);
        // SAFETY: as above.
        unsafe { shared.write(block) };
        estimate
    }

    #[inline(always)]
    fn sampling_turn(&self) -> bool {
        self.with_cpu(|cpu| {
            cpu.overload_syns += 1;
            cpu.overload_syns % SAMPLING == 0
        })
        .unwrap_or(false)
    }

    #[inline(always)]
    fn with_source_local<R>(&self, slot: u32, with: impl FnOnce(&mut SourceLocal) -> R) -> Option<R> {
        // SAFETY: as for `with_cpu`.
        SOURCE_LOCAL.get_ptr_mut(slot).map(|local| with(unsafe { &mut *local }))
    }

    #[inline(always)]
    fn source_record(&self, source: &Address) -> Option<SharedSource<KernelWord>> {
        let record = SOURCES.get_ptr_mut(source)?;
        // SAFETY: live, aligned words of a map element, changed by atomic operations only.
        Some(unsafe {
            SharedSource {
                tat_ns: KernelWord::new(&raw mut (*record).tat_ns),
                admitted: KernelWord::new(&raw mut (*record).admitted),
                dropped: KernelWord::new(&raw mut (*record).dropped),
                last_ns: KernelWord::new(&raw mut (*record).last_ns),
            }
        })
    }

    #[inline(always)]
    fn may_promote(&self) -> bool {
        self.with_cpu(|cpu| {
            let may = cpu.promotions_left > 0;
            cpu.promotions_left -= u64::from(may);
            cpu.promotions_refused += u64::from(!may);
            may
        })
        .unwrap_or(false)
    }

    #[inline(always)]
    fn insert_source(&self, source: &Address, record: &SourceRecord) {
        // Another CPU may have been faster (EEXIST): its record is as good.
        if SOURCES.insert(source, record, u64::from(BPF_NOEXIST)).is_err() {
            self.with_cpu(|cpu| cpu.promotions_refused += 1);
        }
    }

    #[inline(always)]
    fn own_socket(&self, packet: &Packet) -> OwnSocket {
        socket::own_socket(self.ctx, self.settings, packet)
    }
}
