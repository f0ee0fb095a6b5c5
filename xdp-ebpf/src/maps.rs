//! Every map, beside its contract: who writes, who reads, what bounds it, what happens when it is full. All are pinned
//! by name, so that they outlive the agent. Sizes given here are the defaults; the agent sets them by its limits.

pub(crate) mod live;

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps,
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_map, map},
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, RingBuf, ring_buf::RingBufEntry},
    programs::XdpContext,
};
use xdp_common::{
    Address, AddressCpu, AddressPolicy, CpuState, ListEntry, ListRecord, Listed, Sample, Settings, SourceLocal,
    SourceRecord,
    address_index::{self, AddressBucket, Found},
    connection,
    counter::AddressCarry,
    distinct::Distinct,
    known::{self, KnownBucket, MaybeKnown},
    layout::{RateBucket, SAMPLE_RING_BYTES},
    list_filter,
    list_table::LISTS_MAX,
    listener::{self, ListenerFacts, ListenerKey, ListenerLocal},
    reason::REASON_SLOTS,
    retry::RetryLine,
    sketch::{self, Block},
    source::LOCAL_SLOTS,
    tally,
    word::SharedWord as _,
};
use xdp_ebpf::{Judgement, Packet, SharedAddress, judge::Asking};

use crate::{verifier::below, word::KernelWord};

pub(crate) use live::KernelTables;

/// Written by the agent, read for each packet. One element.
#[map]
static SETTINGS: Array<Settings> = Array::pinned(1, 0);

/// Protected address → element of POLICIES, in buckets. Written by the agent. Full: the agent refuses the address.
#[map]
static ADDRESSES: Array<AddressBucket> = Array::pinned(8_192, 0);

/// Two for each slot, of addresses and behind them of groups: the agent writes the one that does not hold, then points
/// ADDRESSES or GROUPS to it.
#[map]
static POLICIES: Array<AddressPolicy> = Array::pinned(8_322, 0);

/// By slot. Each CPU writes its own; the agent sums. Bounded by the number of protected addresses and slot 0.
#[map]
pub(crate) static ADDRESS_CPU: PerCpuArray<AddressCpu> = PerCpuArray::pinned(4_161, 0);

/// By slot: how often counters in ADDRESS_CPU went round. Written by all CPUs, each once in 2^32 packets.
#[map]
static ADDRESS_CARRY: Array<AddressCarry> = Array::pinned(4_161, 0);

/// By slot: the SYN bucket, shared by all CPUs through compare-and-swap of one word, once a batch.
#[map]
static ADDRESS_RATE: Array<RateBucket> = Array::pinned(4_161, 0);

/// Where SOURCE_LIST has entries at all, and where LISTS allow. Written by the agent: bits before entries. Never full.
#[map]
static LIST_FILTER: Array<u64> = Array::pinned(list_filter::WORDS, 0);

/// Listed source prefixes. Written by the agent, read for each packet. Full: the agent refuses the entry.
#[map]
static SOURCE_LIST: LpmTrie<[u8; 16], ListEntry> = LpmTrie::pinned(16_384, 0);

/// The table of all lists, as large as the agent makes it. The agent fills one that nobody sees, then puts it here in place of
/// the one before. Full: the agent refuses the list, and the version before stays.
#[btf_map]
static LISTS: btf_maps::ArrayOfMaps<ListTable, 1> = btf_maps::ArrayOfMaps::new();

/// What LISTS holds. The size here is none: the agent makes the map by its limits before the loader sees it.
pub(crate) type ListTable = btf_maps::Array<u64, 1, { BPF_F_MMAPABLE as usize }>;

/// By the list's number: until when it holds. Written by the agent. Full: the agent refuses the list.
#[map]
static LIST_RECORDS: Array<ListRecord> = Array::pinned(LISTS_MAX + 1, 0);

/// By the list's number: packets that it decided about. Each CPU writes its own; the agent sums.
#[map]
static LIST_PACKETS: PerCpuArray<u64> = PerCpuArray::pinned(LISTS_MAX + 1, 0);

/// Written by all CPUs without locks (a lost count is harmless, see [`xdp_common::sketch`]). Never full.
#[map]
pub(crate) static SKETCH: Array<Block> = Array::pinned(sketch::BLOCKS, 0);

/// Heavy sources. Inserted by the program, a bounded number per jiffy; the least recently used one gives way.
#[map]
pub(crate) static SOURCES: LruHashMap<Address, SourceRecord> = LruHashMap::pinned(65_536, 0);

/// Each CPU's cache over SOURCES, direct-mapped; the newcomer takes the slot.
#[map]
pub(crate) static SOURCE_LOCAL: PerCpuArray<SourceLocal> = PerCpuArray::pinned(LOCAL_SLOTS, 0);

/// Each CPU's clock and small counters. One element.
#[map]
pub(crate) static CPU: PerCpuArray<CpuState> = PerCpuArray::pinned(1, 0);

/// Samples for the agent. Full: the sample is lost and counted.
#[map]
static SAMPLES: RingBuf = RingBuf::pinned(SAMPLE_RING_BYTES, 0);

/// Sources that completed a handshake lately. Written by the tracepoint and, for challenges, by the program; a full bucket
/// forgets the source that was longest silent.
#[map]
static KNOWN: Array<KnownBucket> = Array::pinned(1 << 15, 0);

/// Which of the sources in KNOWN there may be at all: strangers are looked for no further. Written before KNOWN.
#[map]
static MAYBE_KNOWN: Array<MaybeKnown> = Array::pinned(known::MAYBE_PAIRS, 0);

/// SYNs that were not answered. Written by all CPUs without locks (two that meet in one word within nanoseconds may lose one
/// SYN: its next retransmission is answered instead). Never full.
#[map]
pub(crate) static RETRY: Array<RetryLine> = Array::pinned(1 << 17, 0);

/// What the agent knows of listeners. Full: SYN-ACKs to the others offer an MSS only.
#[map]
static LISTENERS: HashMap<ListenerKey, ListenerFacts> = HashMap::pinned(16_384, 0);

/// What each CPU knows of listeners, direct-mapped; the newcomer takes the slot.
#[map]
pub(crate) static LISTENER_LOCAL: PerCpuArray<ListenerLocal> = PerCpuArray::pinned(listener::LOCAL_SLOTS, 0);

/// Connections whose segments each CPU has just let pass, direct-mapped; the newcomer takes the word.
#[map]
pub(crate) static CONNECTIONS: PerCpuArray<connection::Page> = PerCpuArray::pinned(connection::PAGES, 0);

/// Where the program goes on: to answer a packet (`answer`), to look at one for the tally (`look`). Of this load alone, as
/// EXAMINED is, so that each program finds those that were compiled with it. The kernel empties it when nobody in user space
/// holds it: the agent pins it under the program's id.
#[map]
static ANSWERS: ProgramArray = ProgramArray::with_max_entries(2, 0);

/// The heaviest sources and prefixes that each CPU met, see [`xdp_common::tally`]: what is news takes the place of what is
/// light. Written by the program for one packet of many, read by the agent.
#[map]
static TALLY: PerCpuArray<tally::Set> = PerCpuArray::pinned(tally::ALL_SETS, 0);

/// How many sources each CPU met. Looked at for each packet, written for new sources; read by the agent. One element.
#[map]
static DISTINCT: PerCpuArray<Distinct> = PerCpuArray::pinned(1, 0);

/// The packet between the functions that it goes through. In a map, not on the stack, because the verifier forgets what was
/// written there: it looks at the judge once, and not once for each way through the parser.
#[map]
static EXAMINED: PerCpuArray<Examined> = PerCpuArray::with_max_entries(1, 0);

/// A packet and its verdict.
#[repr(C)]
pub(crate) struct Examined {
    pub(crate) packet: Packet,
    pub(crate) judgement: Judgement,
    /// What is known of a SYN on its way.
    pub(crate) asking: Asking,
    /// What becomes of it, as the kernel calls that.
    pub(crate) action: u32,
}

/// This CPU's place for them.
#[inline(always)]
pub(crate) fn examined() -> Option<&'static mut Examined> {
    // SAFETY: this CPU's element, asked for once in each step of a run, of which one ends before the next begins; it is written
    // before it is read.
    EXAMINED.get_ptr_mut(0).map(|examined| unsafe { &mut *examined })
}

/// Ends this program and begins the one that answers; comes back only if there is none.
#[inline(always)]
pub(crate) fn go_on_to_answer(ctx: &XdpContext) {
    // SAFETY: no reference into the frame or to a map's element is used after it.
    unsafe { ANSWERS.tail_call(ctx, 0) };
}

/// Ends this program and begins the one that looks at the packet; comes back only if there is none.
#[inline(always)]
pub(crate) fn go_on_to_look(ctx: &XdpContext) {
    // SAFETY: no reference into the frame or to a map's element is used after it.
    unsafe { ANSWERS.tail_call(ctx, 1) };
}

/// The settings; before the agent's first write, all zero.
#[inline(always)]
pub(crate) fn settings() -> Option<&'static Settings> {
    SETTINGS.get(0)
}

/// The table of all lists that holds now.
#[inline(always)]
pub(crate) fn list_table() -> Option<&'static ListTable> {
    LISTS.get(0)
}

/// Until when the list holds that decides.
#[inline(always)]
pub(crate) fn list_end_ns(listed: Listed) -> u64 {
    LIST_RECORDS.get(listed.list()).map_or(0, |record| record.until_ns)
}

/// Room for a sample, if the ring has any.
#[inline(always)]
pub(crate) fn reserve_sample() -> Option<RingBufEntry<Sample>> {
    SAMPLES.reserve(0)
}

/// What all CPUs share of a slot.
#[inline(always)]
pub(crate) fn address_rate(slot: u32) -> Option<SharedAddress<KernelWord>> {
    let shared = ADDRESS_RATE.get_ptr_mut(slot)?;
    // SAFETY: live, aligned words of a map element, changed by atomic operations only.
    Some(unsafe {
        SharedAddress {
            tat_ns: KernelWord::new(&raw mut (*shared).tat_ns),
            known_tat_ns: KernelWord::new(&raw mut (*shared).known_tat_ns),
            verify_until_ns: KernelWord::new(&raw mut (*shared).verify_until_ns),
            verify_since_ns: KernelWord::new(&raw mut (*shared).verify_since_ns),
        }
    })
}

/// A policy.
#[inline(always)]
pub(crate) fn policy(element: u32) -> Option<&'static AddressPolicy> {
    POLICIES.get(element)
}

/// This CPU's side of a slot, for one who asks for it once in a run.
#[inline(always)]
pub(crate) fn address_cpu(slot: u32) -> Option<*mut AddressCpu> {
    ADDRESS_CPU.get_ptr_mut(slot)
}

/// Looks for a protected address.
#[inline(always)]
pub(crate) fn find(destination: &Address, settings: &Settings) -> Found {
    for bucket in address_index::choices(*destination, settings.address_mask) {
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

/// Notes that a counter went round.
#[inline(never)]
pub(crate) fn carry(slot: u32, index: u32) {
    if let Some(carry) = ADDRESS_CARRY.get_ptr_mut(slot) {
        let index = below::<REASON_SLOTS>(index as usize);
        // SAFETY: a live, aligned word of a map element, changed by atomic operations only.
        unsafe { KernelWord::new((&raw mut (*carry).rounds).cast::<u64>().wrapping_add(index)) }.add(1);
    }
}

/// Counts a handshake that this host completed. Atomic: the tracepoint may interrupt itself.
#[inline(always)]
pub(crate) fn count_handshake(slot: u32) {
    if let Some(cpu) = ADDRESS_CPU.get_ptr_mut(slot) {
        // SAFETY: a live, aligned word of a map element, changed by atomic operations only.
        unsafe { KernelWord::new(&raw mut (*cpu).handshakes) }.add(1);
    }
}

/// Remembers a source that completed a handshake.
#[inline(always)]
pub(crate) fn remember_known(hash: u64, settings: &Settings) {
    let (Some(maybe), Some(bucket)) = (
        MAYBE_KNOWN.get_ptr_mut(known::maybe_of(hash)),
        KNOWN.get_ptr_mut(known::bucket_of(hash, settings.known_mask)),
    ) else {
        return;
    };
    // SAFETY: takes no argument.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let epoch = known::epoch(now_ns, settings.known_ticks);
    // SAFETY: elements of two live, aligned words each.
    unsafe {
        change_pair(maybe.cast(), |words| MaybeKnown { words }.remember(hash, epoch));
        change_pair(bucket.cast(), |words| KnownBucket { words }.remember(hash, now_ns));
    }
}

/// Changes one of two words. Another CPU may write the same at the same moment: one source is lost, which then has to prove
/// itself again.
///
/// # Safety
/// `words` must point to two aligned words of a live map element.
#[inline(always)]
unsafe fn change_pair(words: *mut u64, change: impl FnOnce([u64; 2]) -> Option<(usize, u64)>) {
    // SAFETY: the caller's.
    let seen = unsafe { [words.read_volatile(), words.wrapping_add(1).read_volatile()] };
    if let Some((word, value)) = change(seen) {
        // SAFETY: one of the two.
        unsafe { words.wrapping_add(word & 1).write_volatile(value) };
    }
}
