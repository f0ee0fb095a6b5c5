//! Every map, beside its contract: who writes, who reads, what bounds it, what happens when it is full. All are pinned
//! by name, so that they outlive the agent. Sizes given here are the defaults; the agent sets them by its limits.

use core::{cell::Cell, ptr};

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_NOEXIST},
    btf_maps,
    helpers::generated::{bpf_ktime_get_ns, bpf_xdp_adjust_tail, bpf_xdp_get_buff_len},
    macros::{btf_map, map},
    maps::{
        Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, RingBuf, lpm_trie::Key, ring_buf::RingBufEntry,
    },
    programs::XdpContext,
};
use xdp_common::{
    Address, AddressCpu, AddressPolicy, Admission, CpuState, ListAction, ListEntry, ListRecord, Listed, Mode, Sample,
    Settings, SourceLocal, SourceRecord, Vector,
    address_index::{self, AddressBucket, Found},
    connection,
    counter::{AddressCarry, exhausted_place},
    distinct::Distinct,
    known::{self, KnownBucket, MaybeKnown},
    layout::{RateBucket, SAMPLE_RING_BYTES},
    list_filter,
    list_table::{self, LISTS_MAX},
    listener::{self, FRESH_NS, ListenerFacts, ListenerKey, ListenerLocal, state},
    reason::REASON_SLOTS,
    retry::{self, Reach, RetryLine},
    sketch::{self, Block},
    source::{HEAVY_NS, LOCAL_SLOTS, SAMPLED_NS, SAMPLING},
    tally::{self, Seen},
    turn::Turn,
    word::SharedWord as _,
};
use xdp_ebpf::{
    Connection, Judgement, Listener, OwnSocket, Packet, SharedAddress, SharedSource, Tables,
    cursor::{Frame, FrameMut},
    reply::options::{self, Options},
};

use crate::{
    clock, lists,
    options::options_of,
    socket, vectors,
    verifier::{below, forget, sign},
    word::KernelWord,
};

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
static ADDRESS_CPU: PerCpuArray<AddressCpu> = PerCpuArray::pinned(4_161, 0);

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
static RETRY: Array<RetryLine> = Array::pinned(1 << 17, 0);

/// What the agent knows of listeners. Full: SYN-ACKs to the others offer an MSS only.
#[map]
static LISTENERS: HashMap<ListenerKey, ListenerFacts> = HashMap::pinned(16_384, 0);

/// What each CPU knows of listeners, direct-mapped; the newcomer takes the slot.
#[map]
static LISTENER_LOCAL: PerCpuArray<ListenerLocal> = PerCpuArray::pinned(listener::LOCAL_SLOTS, 0);

/// Connections whose segments each CPU has just let pass, direct-mapped; the newcomer takes the word.
#[map]
static CONNECTIONS: PerCpuArray<connection::Page> = PerCpuArray::pinned(connection::PAGES, 0);

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
    /// What becomes of it, as the kernel calls that.
    pub(crate) action: u32,
}

/// This CPU's place for them.
#[inline(always)]
pub(crate) fn examined() -> Option<&'static mut Examined> {
    // SAFETY: this CPU's element, asked for once in a run, which is written before it is read.
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

impl FrameMut for XdpFrame<'_> {
    #[inline(always)]
    fn set_len(&mut self, len: usize) -> bool {
        if self.end() - self.start() == len {
            return true;
        }
        let delta = len as i32 - self.full_len() as i32;
        // SAFETY: the context that the kernel gave this run; pointers into the frame are made anew for each access.
        unsafe { bpf_xdp_adjust_tail(self.0.ctx, delta) == 0 }
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, at: usize, words: [u32; N]) -> bool {
        let to = self.start() + at;
        if to + 4 * N > self.end() {
            return false;
        }
        let to = to as *mut u32;
        let mut index = 0;
        while index < N {
            // SAFETY: within the frame, as just compared. JITs that run XDP store unaligned words, see `cursor`.
            unsafe { *to.wrapping_add(index) = words[index] };
            index += 1;
        }
        true
    }
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
    fn now_ns(&self) -> u64 {
        if self.now_ns.get() == 0 {
            let now_ns = self.with_cpu(|cpu| clock::now_ns(cpu, self.settings)).unwrap_or(0);
            self.now_ns.set(now_ns);
        }
        self.now_ns.get()
    }

    #[inline(always)]
    fn forget(&self, bits: u64) -> u64 {
        forget(bits, self.now_ns())
    }

    #[inline(always)]
    fn settings(&self) -> &Settings {
        self.settings
    }

    #[inline(always)]
    fn find(&self, destination: &Address) -> Found {
        find(destination, self.settings)
    }

    #[inline(always)]
    fn policy(&self, found: Found) -> Option<&AddressPolicy> {
        POLICIES.get(found.policy)
    }

    #[inline(always)]
    fn may_be_listed(&self, source: &Address) -> bool {
        let bit = list_filter::bit_of(*source);
        let is_set = |(word, mask): (u32, u64)| LIST_FILTER.get(word).is_some_and(|word| word & mask != 0);
        is_set(list_filter::place_in_front(bit)) && is_set(list_filter::place(bit))
    }

    #[inline(always)]
    fn lists_allow(&self) -> bool {
        LIST_RECORDS
            .get(list_table::ALL)
            .is_some_and(|all| all.action == ListAction::Allow as u8)
    }

    #[inline(always)]
    fn in_lists(&self, source: &Address) -> Listed {
        let Some(table) = list_table() else {
            return Listed::NONE;
        };
        if !list_table::is_for_table(*source) {
            return Listed::NONE;
        }
        let place = list_table::place(*source);
        if table
            .get(place.filter_word)
            .is_none_or(|word| word & place.filter_mask == 0)
        {
            return Listed::NONE;
        }
        lists::listed(place.bucket, place.rest, self.now_ns())
    }

    #[inline(always)]
    fn count_listed(&self, list: u32) {
        if let Some(packets) = LIST_PACKETS.get_ptr_mut(list) {
            // SAFETY: this CPU's element; XDP runs to its end on one CPU.
            unsafe { *packets += 1 };
        }
    }

    #[inline(always)]
    fn listed(&self, source: &Address, prefix_len: u32) -> Option<&ListEntry> {
        SOURCE_LIST.get(Key::new(prefix_len, source.to_bytes()))
    }

    #[inline(always)]
    fn address_rate(&self, slot: u32) -> Option<SharedAddress<KernelWord>> {
        address_rate(slot)
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
    fn group_standing(&self, group: u32) -> u32 {
        vectors::group_standing(group, self.now_ns())
    }

    #[inline(always)]
    fn group_takes(&self, group: u32, may_verify: bool) -> bool {
        vectors::group_takes(group, u32::from(may_verify), self.now_ns()) != 0
    }

    #[inline(always)]
    fn group_takes_unproven(&self, group: u32) -> bool {
        vectors::group_takes_unproven(group, self.now_ns()) != 0
    }

    #[inline(always)]
    fn vector_admits(&self, found: Found, vector: Vector, frame_len: u32) -> Admission {
        let group = self.policy(found).map_or(0, |policy| policy.group);
        match vectors::vector_admits(found.policy, group, vector as u32, frame_len, self.now_ns()) {
            vectors::OVER_ADDRESS => Admission::OverAddress,
            vectors::OVER_GROUP => Admission::OverGroup,
            _ => Admission::Within,
        }
    }

    #[inline(always)]
    fn vector_refund(&self, found: Found, charged: u32, frame_len: u32) {
        let group = self.policy(found).map_or(0, |policy| policy.group);
        vectors::vector_refund(found.policy, group, charged, frame_len);
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
    fn drops_unseen(&self, policy: u32) -> bool {
        let now_ns = self.now_ns();
        self.with_cpu(|cpu| {
            let other = u64::from(cpu.exhausted[exhausted_place(policy)] ^ policy);
            let heavy = sign(now_ns.wrapping_sub(cpu.heavy_until_ns));
            let sampled = sign(((cpu.overload_syns + 1) % SAMPLING).wrapping_sub(1));
            // Without branches: the verifier would walk all that follows once for each.
            let drops = other | heavy | sampled == 0;
            if drops {
                cpu.overload_syns += 1;
            }
            drops
        })
        .unwrap_or(false)
    }

    #[inline(always)]
    fn note_exhausted(&self, policy: u32) {
        self.with_cpu(|cpu| cpu.exhausted[exhausted_place(policy)] = policy);
    }

    #[inline(always)]
    fn sampling_turn(&self) -> bool {
        let now_ns = self.now_ns();
        self.with_cpu(|cpu| {
            cpu.overload_syns += 1;
            let turn = cpu.overload_syns % SAMPLING == 0;
            if turn {
                cpu.sampled_until_ns = now_ns + SAMPLED_NS;
            }
            turn
        })
        .unwrap_or(false)
    }

    #[inline(always)]
    fn sampled_lately(&self, now_ns: u64) -> bool {
        self.with_cpu(|cpu| now_ns < cpu.sampled_until_ns).unwrap_or(true)
    }

    #[inline(always)]
    fn meets_heavy_sources(&self, now_ns: u64) -> bool {
        self.with_cpu(|cpu| now_ns < cpu.heavy_until_ns).unwrap_or(true)
    }

    #[inline(always)]
    fn met_heavy_source(&self, now_ns: u64) {
        self.with_cpu(|cpu| cpu.heavy_until_ns = now_ns + HEAVY_NS);
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
    fn is_known(&self, hash: u64) -> bool {
        let now_ns = self.now_ns();
        let epoch = self.with_cpu(|cpu| cpu.known_epoch).unwrap_or(0);
        let Some(maybe) = MAYBE_KNOWN.get_ptr(known::maybe_of(hash)) else {
            return false;
        };
        // SAFETY: a live, aligned element, copied before it is looked at.
        if !unsafe { maybe.read_volatile() }.may_be(hash, epoch) {
            return false;
        }
        KNOWN
            .get(known::bucket_of(hash, self.settings.known_mask))
            .is_some_and(|bucket| bucket.has(hash, now_ns, self.settings.known_ticks))
    }

    #[inline(always)]
    fn remember_known(&self, hash: u64) {
        remember_known(hash, self.settings);
    }

    #[inline(always)]
    fn came_again(&self, hash: u64) -> bool {
        let Some((window, short)) = self.with_cpu(|cpu| (cpu.window, cpu.budget.is_short())) else {
            return false;
        };
        let Some(line) = RETRY.get_ptr_mut(retry::line_of(hash, self.settings.retry_mask)) else {
            return false;
        };
        // SAFETY: a live, aligned element; see the map for what other CPUs may do.
        let seen = unsafe { &*line };
        let reach = if short { Reach::Near } else { Reach::Far };
        let again = seen.has(hash, window, reach);
        let (word, value) = seen.remember(hash, window);
        // SAFETY: one of the eight words of the element.
        unsafe {
            (&raw mut (*line).words)
                .cast::<u64>()
                .wrapping_add(word & 7)
                .write_volatile(value);
        }
        again
    }

    #[inline(always)]
    fn can_answer(&self) -> bool {
        self.with_cpu(|cpu| cpu.budget.can_answer()).unwrap_or(false)
    }

    #[inline(always)]
    fn may_answer(&self) -> bool {
        self.with_cpu(|cpu| cpu.budget.answer()).unwrap_or(false)
    }

    #[inline(always)]
    fn may_answer_again(&self) -> bool {
        self.with_cpu(|cpu| cpu.budget.answer_again()).unwrap_or(false)
    }

    #[inline(always)]
    fn connection(&self, slot: u32, packet: &Packet) -> Connection {
        let of_source = sketch::hash(packet.source, self.settings.seed);
        let hash = retry::flow_hash(of_source, packet.ports(), 0, slot);
        let now_ns = self.now_ns();
        let (page, word) = connection::place(hash);
        let Some(page) = CONNECTIONS.get_ptr_mut(page) else {
            return Connection::None;
        };
        // SAFETY: a word of this CPU's element; XDP runs to its end on one CPU.
        let word = unsafe {
            &mut *page
                .cast::<u64>()
                .wrapping_add(below::<{ connection::PAGE_WORDS }>(word))
        };
        if connection::is_seen(*word, hash, now_ns) {
            return Connection::Exists;
        }
        let found = socket::connection(self.ctx, packet);
        if found == Connection::Exists {
            *word = connection::seen(hash, now_ns);
        }
        found
    }

    #[inline(always)]
    fn listener(&self, slot: u32, packet: &Packet) -> Listener {
        let key = ListenerKey {
            slot,
            port: packet.destination_port,
            reserved: 0,
        };
        let now_ns = self.now_ns();
        let Some(local) = LISTENER_LOCAL.get_ptr_mut(listener::local_slot(key.word())) else {
            return Listener::NONE;
        };
        // SAFETY: as for `with_cpu`.
        let local = unsafe { &mut *local };
        if local.key != key.word() || now_ns >= local.fresh_until_ns || local.state == state::KERNEL {
            self.ask_listener(&key, packet, local, now_ns);
        }
        Listener {
            state: local.state,
            facts: local.facts,
        }
    }

    #[inline(always)]
    fn cookie(&self, packet: &Packet, sequence: u32, mss: u16) -> Option<u32> {
        socket::cookie(packet, sequence, mss)
    }

    #[inline(always)]
    fn options<F: FrameMut>(&self, frame: &F, packet: &Packet) -> Options {
        let (words, len) = options::words(frame, packet);
        options::as_linux(&words, len)
            .unwrap_or_else(|| Options::from_word(options_of(self.ctx.ctx, u32::from(packet.transport_at), len as u32)))
    }

    #[inline(always)]
    fn now_ms(&self) -> u32 {
        self.with_cpu(|cpu| cpu.now_ms as u32).unwrap_or(0)
    }

    #[inline(always)]
    fn with_turn<R>(&self, with: impl FnOnce(&mut Turn, &mut Seen) -> R) -> Option<R> {
        self.with_cpu(|cpu| with(&mut cpu.turn, &mut cpu.tallied))
    }

    #[inline(always)]
    fn with_tally_set<R>(&self, set: u32, with: impl FnOnce(&mut tally::Set) -> R) -> Option<R> {
        // SAFETY: as for `with_cpu`.
        TALLY.get_ptr_mut(set).map(|set| with(unsafe { &mut *set }))
    }

    #[inline(always)]
    fn with_distinct<R>(&self, with: impl FnOnce(&mut Distinct) -> R) -> Option<R> {
        // SAFETY: as for `with_cpu`.
        DISTINCT.get_ptr_mut(0).map(|distinct| with(unsafe { &mut *distinct }))
    }

    #[inline(always)]
    fn own_socket(&self, packet: &Packet) -> OwnSocket {
        socket::own_socket(self.ctx, self.settings, packet)
    }
}

impl KernelTables<'_> {
    /// Asks the agent's table and the kernel. A port that the agent does not know is looked up seldom, so that a flood to
    /// random ports pays for a look at a table only.
    #[inline(always)]
    fn ask_listener(&self, key: &ListenerKey, packet: &Packet, local: &mut ListenerLocal, now_ns: u64) {
        // SAFETY: the agent may change the entry meanwhile; it is eight bytes, copied at once.
        let facts = unsafe { LISTENERS.get(key) }.copied();
        let may_look = self
            .with_cpu(|cpu| {
                let may = cpu.lookups_left > 0;
                cpu.lookups_left -= u64::from(may);
                may
            })
            .unwrap_or(false);
        local.key = key.word();
        local.facts = facts.unwrap_or_default();
        if facts.is_none() && !may_look {
            // Not looked up: not to be believed for longer than this packet.
            local.state = state::NONE;
            local.fresh_until_ns = 0;
            return;
        }
        local.state = socket::ask_listener(self.ctx, self.settings, packet);
        // A server that does not accept now may do so in a moment: believed for this jiffy only.
        let fresh_ns = if local.state == state::FULL { 1 } else { FRESH_NS };
        local.fresh_until_ns = now_ns + fresh_ns;
    }
}
