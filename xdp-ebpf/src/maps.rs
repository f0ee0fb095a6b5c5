//! Every map, beside its contract: who writes, who reads, what bounds it, what happens when it is full. All are pinned
//! by name, so that they outlive the agent. Sizes given here are the defaults; the agent sets them by its limits.

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::generated::bpf_xdp_get_buff_len,
    macros::map,
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf, lpm_trie::Key, ring_buf::RingBufEntry},
    programs::XdpContext,
};
use xdp_common::{
    Address, AddressCpu, AddressPolicy, CpuState, ListEntry, Mode, Sample, Settings, SourceLocal, SourceRecord,
    layout::{AddressBucket, SAMPLE_RING_BYTES},
    sketch::{self, Block},
    source::LOCAL_SLOTS,
};
use xdp_ebpf::{OwnSocket, Packet, SharedSource, Tables, cursor::Frame};

use crate::{clock, socket, word::KernelWord};

/// Written by the agent, read for each packet. One element.
#[map]
static SETTINGS: Array<Settings> = Array::pinned(1, 0);

/// Protected address → policy. Written by the agent, one whole element at a time. Full: the agent refuses the address.
#[map]
static ADDRESSES: HashMap<Address, AddressPolicy> = HashMap::pinned(1_024, 0);

/// By slot. Each CPU writes its own; the agent sums. Bounded by the number of protected addresses and slot 0.
#[map]
static ADDRESS_CPU: PerCpuArray<AddressCpu> = PerCpuArray::pinned(1_025, 0);

/// By slot: the SYN bucket, shared by all CPUs through compare-and-swap of one word, once a batch.
#[map]
static ADDRESS_BUCKET: Array<AddressBucket> = Array::pinned(1_025, 0);

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
pub(crate) fn settings() -> Settings {
    SETTINGS.get(0).copied().unwrap_or_default()
}

/// True in enforce mode.
#[inline(always)]
pub(crate) fn enforces() -> bool {
    SETTINGS
        .get(0)
        .is_some_and(|settings| settings.mode == Mode::Enforce as u32)
}

/// This CPU's own state.
#[inline(always)]
pub(crate) fn cpu_state() -> Option<&'static mut CpuState> {
    // SAFETY: this CPU's element; XDP runs to its end on one CPU, and callers hold the reference only for a few lines.
    CPU.get_ptr_mut(0).map(|cpu| unsafe { &mut *cpu })
}

/// This CPU's side of an address slot.
#[inline(always)]
pub(crate) fn address_cpu(slot: u32) -> Option<&'static mut AddressCpu> {
    // SAFETY: as for `cpu_state`.
    ADDRESS_CPU.get_ptr_mut(slot).map(|cpu| unsafe { &mut *cpu })
}

/// Room for a sample, if the ring has any.
#[inline(always)]
pub(crate) fn reserve_sample() -> Option<RingBufEntry<Sample>> {
    SAMPLES.reserve(0)
}

/// The maps as the judge sees them.
pub(crate) struct KernelTables<'a> {
    ctx: &'a XdpContext,
}

impl<'a> KernelTables<'a> {
    #[inline(always)]
    pub(crate) fn new(ctx: &'a XdpContext) -> Self {
        Self { ctx }
    }
}

impl Tables for KernelTables<'_> {
    type Word = KernelWord;

    #[inline(always)]
    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    #[inline(always)]
    fn settings(&self) -> Settings {
        settings()
    }

    #[inline(always)]
    fn policy(&self, destination: &Address) -> Option<&AddressPolicy> {
        // SAFETY: the agent replaces elements as a whole, so no field changes under the reference.
        unsafe { ADDRESSES.get(destination) }
    }

    #[inline(always)]
    fn listed(&self, source: &Address, prefix_len: u32) -> Option<&ListEntry> {
        SOURCE_LIST.get(Key::new(prefix_len, source.to_bytes()))
    }

    #[inline(always)]
    fn address_bucket(&self, slot: u32) -> Option<KernelWord> {
        // SAFETY: a live, aligned word of a map element, changed by atomic operations only.
        ADDRESS_BUCKET
            .get_ptr_mut(slot)
            .map(|bucket| unsafe { KernelWord::new(&raw mut (*bucket).tat_ns) })
    }

    #[inline(always)]
    fn with_address_cpu<R>(&self, slot: u32, with: impl FnOnce(&mut AddressCpu) -> R) -> Option<R> {
        address_cpu(slot).map(with)
    }

    #[inline(always)]
    fn sketch_count(&self, hash: u64, now_ns: u64) -> u32 {
        let Some(shared) = SKETCH.get_ptr_mut(sketch::block_of(hash)) else {
            return 0;
        };
        // SAFETY: a live, aligned element. Another CPU may write it between read and write: a count is lost, and both
        // states are sound.
        let mut block = unsafe { shared.read() };
        let estimate = block.count(hash, now_ns);
        // SAFETY: as above.
        unsafe { shared.write(block) };
        estimate
    }

    #[inline(always)]
    fn with_source_local<R>(&self, slot: u32, with: impl FnOnce(&mut SourceLocal) -> R) -> Option<R> {
        // SAFETY: as for `cpu_state`.
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
        let Some(cpu) = cpu_state() else {
            return false;
        };
        if cpu.promotions_left == 0 {
            cpu.promotions_refused += 1;
            return false;
        }
        cpu.promotions_left -= 1;
        true
    }

    #[inline(always)]
    fn insert_source(&self, source: &Address, record: &SourceRecord) {
        // Another CPU may have been faster (EEXIST): its record is as good.
        if SOURCES.insert(source, record, u64::from(BPF_NOEXIST)).is_err()
            && let Some(cpu) = cpu_state()
        {
            cpu.promotions_refused += 1;
        }
    }

    #[inline(always)]
    fn own_socket(&self, packet: &Packet) -> OwnSocket {
        socket::own_socket(self.ctx, packet)
    }
}
