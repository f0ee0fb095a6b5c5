//! The maps as one packet sees them.

use core::{cell::Cell, ptr};

use aya_ebpf::{bindings::BPF_NOEXIST, maps::lpm_trie::Key, programs::XdpContext};
use xdp_common::{
    Address, AddressCpu, AddressPolicy, Admission, CpuState, ListAction, ListEntry, Listed, Mode, Settings,
    SourceLocal, SourceRecord, Vector,
    address_index::Found,
    connection,
    counter::exhausted_place,
    distinct::Distinct,
    known, list_filter, list_table,
    listener::{self, FRESH_NS, ListenerKey, ListenerLocal, state},
    retry::{self, Reach},
    sketch,
    source::{HEAVY_NS, SAMPLED_NS, SAMPLING},
    tally::{self, Seen},
    turn::Turn,
};
use xdp_ebpf::{
    Connection, Listener, OwnSocket, Packet, SharedAddress, SharedSource, Tables,
    cursor::FrameMut,
    reply::options::{self, Options},
};

use super::{
    ADDRESS_CPU, CONNECTIONS, CPU, DISTINCT, KNOWN, LIST_FILTER, LIST_PACKETS, LIST_RECORDS, LISTENER_LOCAL, LISTENERS,
    MAYBE_KNOWN, POLICIES, RETRY, SKETCH, SOURCE_LIST, SOURCE_LOCAL, SOURCES, TALLY, address_rate, find,
    remember_known,
};
use crate::{
    clock, lists,
    options::options_of,
    socket, vectors,
    verifier::{below, forget, sign},
    word::KernelWord,
};

/// The maps, for the program in one piece.
pub(crate) type KernelTables<'a> = TablesOf<'a, false>;

/// The maps, as one packet sees them. A packet has one CPU and one slot: what it looked up for them once, it keeps.
pub(crate) struct TablesOf<'a, const IN_STEPS: bool> {
    pub(crate) ctx: &'a XdpContext,
    pub(crate) settings: &'static Settings,
    pub(crate) now_ns: Cell<u64>,
    pub(crate) cpu: Cell<*mut CpuState>,
    pub(crate) address_cpu: Cell<*mut AddressCpu>,
}

impl<'a, const IN_STEPS: bool> TablesOf<'a, IN_STEPS> {
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

impl<const IN_STEPS: bool> Tables for TablesOf<'_, IN_STEPS> {
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
        let Some(table) = super::list_table() else {
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
        vectors::admission(vectors::vector_admits(
            found.policy,
            group,
            vector as u32,
            frame_len,
            self.now_ns(),
        ))
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
            let sampled = sign((u64::from(cpu.overload_syns.wrapping_add(1)) % SAMPLING).wrapping_sub(1));
            // Without branches: the verifier would walk all that follows once for each.
            let drops = other | heavy | sampled == 0;
            if drops {
                cpu.overload_syns = cpu.overload_syns.wrapping_add(1);
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
            cpu.overload_syns = cpu.overload_syns.wrapping_add(1);
            let turn = u64::from(cpu.overload_syns) % SAMPLING == 0;
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

impl<const IN_STEPS: bool> TablesOf<'_, IN_STEPS> {
    /// Asks the agent's table and the kernel. A port that the agent does not know is looked up seldom, so that a flood to
    /// random ports pays for a look at a table only.
    #[inline(always)]
    pub(crate) fn ask_listener(&self, key: &ListenerKey, packet: &Packet, local: &mut ListenerLocal, now_ns: u64) {
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
