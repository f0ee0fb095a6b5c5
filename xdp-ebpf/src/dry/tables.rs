//! [`Tables`] over the live maps and the copies.

use aya_ebpf::programs::XdpContext;
use xdp_common::{
    Address, AddressCpu, AddressPolicy, Admission, ListEntry, Listed, Settings, SourceLocal, SourceRecord, Vector,
    address_index::Found,
    connection,
    distinct::Distinct,
    listener::{self, ListenerKey, state},
    retry::{self, Reach},
    sketch,
    tally::{Seen, Set},
    turn::Turn,
};
use xdp_ebpf::{
    Connection, Listener, OwnSocket, Packet, SharedAddress, SharedSource, Tables, cursor::FrameMut,
    reply::options::Options,
};

use super::{
    ReadWord, Scratch, dry_group_standing, dry_group_takes, dry_group_takes_unproven, dry_vector_admits, read_only,
    scratch,
};
use crate::{
    maps::{self, KernelTables},
    socket, vectors,
    verifier::{below, forget},
    word::KernelWord,
};

/// The maps, as one packet sees them that leaves no trace.
pub(crate) struct DryTables<'a> {
    pub(super) live: KernelTables<'a>,
    pub(super) scratch: *mut Scratch,
}

impl<'a> DryTables<'a> {
    /// Over the copies that [`super::prepare`] made in this run.
    #[inline(always)]
    pub(crate) fn new(ctx: &'a XdpContext, settings: &'static Settings) -> Option<Self> {
        let scratch = scratch()?;
        let live = KernelTables::new(ctx, settings);
        // SAFETY: parts of a live element; no reference is made here. The clock was looked at when the copy was made.
        unsafe {
            live.now_ns.set((*scratch).cpu.now_ns);
            live.cpu.set(&raw mut (*scratch).cpu);
            live.address_cpu.set(&raw mut (*scratch).address);
        }
        Some(Self { live, scratch })
    }
}

impl Tables for DryTables<'_> {
    type Word = ReadWord;

    #[inline(always)]
    fn now_ns(&self) -> u64 {
        self.live.now_ns.get()
    }

    #[inline(always)]
    fn forget(&self, bits: u64) -> u64 {
        forget(bits, self.now_ns())
    }

    #[inline(always)]
    fn settings(&self) -> &Settings {
        self.live.settings()
    }

    #[inline(always)]
    fn find(&self, destination: &Address) -> Found {
        self.live.find(destination)
    }

    #[inline(always)]
    fn policy(&self, found: Found) -> Option<&AddressPolicy> {
        self.live.policy(found)
    }

    #[inline(always)]
    fn may_be_listed(&self, source: &Address) -> bool {
        self.live.may_be_listed(source)
    }

    #[inline(always)]
    fn lists_allow(&self) -> bool {
        self.live.lists_allow()
    }

    #[inline(always)]
    fn in_lists(&self, source: &Address) -> Listed {
        self.live.in_lists(source)
    }

    #[inline(always)]
    fn count_listed(&self, _list: u32) {}

    #[inline(always)]
    fn listed(&self, source: &Address, prefix_len: u32) -> Option<&ListEntry> {
        self.live.listed(source, prefix_len)
    }

    #[inline(always)]
    fn address_rate(&self, slot: u32) -> Option<SharedAddress<ReadWord>> {
        maps::address_rate(slot).map(read_only)
    }

    #[inline(always)]
    fn with_address_cpu<R>(&self, slot: u32, with: impl FnOnce(&mut AddressCpu) -> R) -> Option<R> {
        self.live.with_address_cpu(slot, with)
    }

    #[inline(always)]
    fn group_standing(&self, group: u32) -> u32 {
        dry_group_standing(group, self.now_ns())
    }

    #[inline(always)]
    fn group_takes(&self, group: u32, may_verify: bool) -> bool {
        dry_group_takes(group, u32::from(may_verify), self.now_ns()) != 0
    }

    #[inline(always)]
    fn group_takes_unproven(&self, group: u32) -> bool {
        dry_group_takes_unproven(group, self.now_ns()) != 0
    }

    #[inline(always)]
    fn vector_admits(&self, found: Found, vector: Vector, frame_len: u32) -> Admission {
        let group = self.policy(found).map_or(0, |policy| policy.group);
        vectors::admission(dry_vector_admits(
            found.policy,
            group,
            vector as u32,
            frame_len,
            self.now_ns(),
        ))
    }

    #[inline(always)]
    fn vector_refund(&self, _found: Found, _vectors: u32, _frame_len: u32) {}

    #[inline(always)]
    fn sketch_count(&self, hash: u64, syns: u64, now_ns: u64) -> u32 {
        let Some(shared) = maps::SKETCH.get_ptr(sketch::block_of(hash)) else {
            return 0;
        };
        // SAFETY: a live, aligned element; see `KernelTables`.
        let mut block = unsafe { shared.read() };
        block.count(hash, syns, now_ns)
    }

    #[inline(always)]
    fn drops_unseen(&self, policy: u32) -> bool {
        self.live.drops_unseen(policy)
    }

    #[inline(always)]
    fn note_exhausted(&self, policy: u32) {
        self.live.note_exhausted(policy);
    }

    #[inline(always)]
    fn sampling_turn(&self) -> bool {
        self.live.sampling_turn()
    }

    #[inline(always)]
    fn sampled_lately(&self, now_ns: u64) -> bool {
        self.live.sampled_lately(now_ns)
    }

    #[inline(always)]
    fn meets_heavy_sources(&self, now_ns: u64) -> bool {
        self.live.meets_heavy_sources(now_ns)
    }

    #[inline(always)]
    fn met_heavy_source(&self, now_ns: u64) {
        self.live.met_heavy_source(now_ns);
    }

    #[inline(always)]
    fn with_source_local<R>(&self, _slot: u32, with: impl FnOnce(&mut SourceLocal) -> R) -> Option<R> {
        // SAFETY: this CPU's element; no other reference to this part of it lives outside a `with`.
        Some(with(unsafe { &mut (*self.scratch).source }))
    }

    #[inline(always)]
    fn source_record(&self, source: &Address) -> Option<SharedSource<ReadWord>> {
        // SAFETY: live, aligned words of an element.
        unsafe {
            if (*self.scratch).recorded != 0 {
                let record = &raw mut (*self.scratch).record;
                return Some(SharedSource {
                    tat_ns: ReadWord(KernelWord::new(&raw mut (*record).tat_ns)),
                    admitted: ReadWord(KernelWord::new(&raw mut (*record).admitted)),
                    dropped: ReadWord(KernelWord::new(&raw mut (*record).dropped)),
                    last_ns: ReadWord(KernelWord::new(&raw mut (*record).last_ns)),
                });
            }
        }
        self.live.source_record(source).map(|record| SharedSource {
            tat_ns: ReadWord(record.tat_ns),
            admitted: ReadWord(record.admitted),
            dropped: ReadWord(record.dropped),
            last_ns: ReadWord(record.last_ns),
        })
    }

    #[inline(always)]
    fn may_promote(&self) -> bool {
        self.live.may_promote()
    }

    #[inline(always)]
    fn insert_source(&self, _source: &Address, record: &SourceRecord) {
        // SAFETY: this CPU's element; nothing refers to this part of it.
        unsafe {
            (*self.scratch).record = *record;
            (*self.scratch).recorded = 1;
        }
    }

    #[inline(always)]
    fn is_known(&self, hash: u64) -> bool {
        self.live.is_known(hash)
    }

    #[inline(always)]
    fn remember_known(&self, _hash: u64) {}

    #[inline(always)]
    fn came_again(&self, hash: u64) -> bool {
        let Some((window, short)) = self.live.with_cpu(|cpu| (cpu.window, cpu.budget.is_short())) else {
            return false;
        };
        let line = retry::line_of(hash, self.live.settings.retry_mask);
        let reach = if short { Reach::Near } else { Reach::Far };
        maps::RETRY.get(line).is_some_and(|line| line.has(hash, window, reach))
    }

    #[inline(always)]
    fn can_answer(&self) -> bool {
        self.live.can_answer()
    }

    #[inline(always)]
    fn may_answer(&self) -> bool {
        self.live.may_answer()
    }

    #[inline(always)]
    fn may_answer_again(&self) -> bool {
        self.live.may_answer_again()
    }

    #[inline(always)]
    fn connection(&self, slot: u32, packet: &Packet) -> Connection {
        let of_source = sketch::hash(packet.source, self.live.settings.seed);
        let hash = retry::flow_hash(of_source, packet.ports(), 0, slot);
        let (page, word) = connection::place(hash);
        if let Some(page) = maps::CONNECTIONS.get_ptr(page) {
            let word = below::<{ connection::PAGE_WORDS }>(word);
            // SAFETY: a word of this CPU's element.
            let word = unsafe { *page.cast::<u64>().wrapping_add(word) };
            if connection::is_seen(word, hash, self.now_ns()) {
                return Connection::Exists;
            }
        }
        socket::connection(self.live.ctx, packet)
    }

    #[inline(always)]
    fn listener(&self, slot: u32, packet: &Packet) -> Listener {
        let key = ListenerKey {
            slot,
            port: packet.destination_port,
            reserved: 0,
        };
        let now_ns = self.now_ns();
        let Some(local) = maps::LISTENER_LOCAL.get_ptr(listener::local_slot(key.word())) else {
            return Listener::NONE;
        };
        // SAFETY: this CPU's element.
        let mut local = unsafe { *local };
        if local.key != key.word() || now_ns >= local.fresh_until_ns || local.state == state::KERNEL {
            self.live.ask_listener(&key, packet, &mut local, now_ns);
        }
        Listener {
            state: local.state,
            facts: local.facts,
        }
    }

    #[inline(always)]
    fn cookie(&self, packet: &Packet, sequence: u32, mss: u16) -> Option<u32> {
        self.live.cookie(packet, sequence, mss)
    }

    #[inline(always)]
    fn options<F: FrameMut>(&self, frame: &F, packet: &Packet) -> Options {
        self.live.options(frame, packet)
    }

    #[inline(always)]
    fn now_ms(&self) -> u32 {
        self.live.now_ms()
    }

    #[inline(always)]
    fn with_turn<R>(&self, _with: impl FnOnce(&mut Turn, &mut Seen) -> R) -> Option<R> {
        None
    }

    #[inline(always)]
    fn with_tally_set<R>(&self, _set: u32, _with: impl FnOnce(&mut Set) -> R) -> Option<R> {
        None
    }

    #[inline(always)]
    fn with_distinct<R>(&self, _with: impl FnOnce(&mut Distinct) -> R) -> Option<R> {
        None
    }

    #[inline(always)]
    fn own_socket(&self, packet: &Packet) -> OwnSocket {
        self.live.own_socket(packet)
    }
}
