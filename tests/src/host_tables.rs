//! The judge's tables in plain memory: the model that the kernel's maps are compared with.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
    sync::atomic::AtomicU64,
};

use xdp_common::{
    Address, AddressCpu, AddressPolicy, ListEntry, Settings, SourceLocal, SourceRecord,
    address_index::{Found, policy_element},
    sketch::{self, Block},
    source::{LOCAL_SLOTS, PROMOTIONS_PER_TICK, SAMPLING},
    word::SharedWord,
};
use xdp_ebpf::{Judgement, OwnSocket, Packet, SharedSource, Tables, examine};

/// A word on the heap, so that a borrowed record can outlive the look-up.
#[derive(Clone, Debug, Default)]
pub struct HostWord(Rc<AtomicU64>);

impl SharedWord for HostWord {
    fn load(&self) -> u64 {
        SharedWord::load(&*self.0)
    }

    fn store(&self, value: u64) {
        SharedWord::store(&*self.0, value);
    }

    fn add(&self, value: u64) {
        SharedWord::add(&*self.0, value);
    }

    fn replace(&self, seen: u64, next: u64) -> Result<(), u64> {
        SharedWord::replace(&*self.0, seen, next)
    }
}

/// One CPU's view of the world, with a clock that the test sets.
#[derive(Debug)]
pub struct HostTables {
    /// CLOCK_MONOTONIC, ns.
    pub now_ns: Cell<u64>,
    /// The settings of the whole program.
    pub settings: Settings,
    /// Protected addresses.
    pub policies: HashMap<Address, AddressPolicy>,
    /// The source list: (prefix bits, masked address) → entry.
    pub list: BTreeMap<(u32, [u8; 16]), ListEntry>,
    /// What the host's sockets answer.
    pub own_socket: Cell<Option<OwnSocket>>,
    buckets: RefCell<HashMap<u32, HostWord>>,
    cpus: RefCell<HashMap<u32, AddressCpu>>,
    sketch: RefCell<Vec<Block>>,
    locals: RefCell<Vec<SourceLocal>>,
    records: RefCell<HashMap<Address, SharedSource<HostWord>>>,
    promotions: Cell<(u64, u32)>,
    strangers: Cell<u64>,
}

impl Default for HostTables {
    fn default() -> Self {
        Self {
            now_ns: Cell::new(1_000_000_000_000),
            settings: Settings::default(),
            policies: HashMap::new(),
            list: BTreeMap::new(),
            own_socket: Cell::new(None),
            buckets: RefCell::default(),
            cpus: RefCell::default(),
            sketch: RefCell::new(vec![Block::default(); sketch::BLOCKS as usize]),
            locals: RefCell::new(vec![SourceLocal::default(); LOCAL_SLOTS as usize]),
            records: RefCell::default(),
            promotions: Cell::new((0, 0)),
            strangers: Cell::new(0),
        }
    }
}

impl HostTables {
    /// The verdict on a frame.
    #[must_use]
    pub fn examine(&self, frame: &[u8]) -> Judgement {
        examine(&frame, self)
    }

    /// Adds a list entry.
    pub fn insert_list(&mut self, address: Address, entry: ListEntry) {
        self.list
            .insert((entry.prefix_len, masked(address, entry.prefix_len)), entry);
    }

    /// SYNs of a source: (within, over) its rate, as the records and this CPU say.
    #[must_use]
    pub fn source_counts(&self, source: Address) -> Option<(u64, u64)> {
        let records = self.records.borrow();
        let record = records.get(&source)?;
        let locals = self.locals.borrow();
        let pending = locals
            .iter()
            .filter(|local| local.source == source)
            .fold((0, 0), |sum, local| (sum.0 + local.admitted, sum.1 + local.dropped));
        Some((record.admitted.load() + pending.0, record.dropped.load() + pending.1))
    }
}

fn masked(address: Address, bits: u32) -> [u8; 16] {
    let value = u128::from_be_bytes(address.to_bytes());
    let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
    (value & mask).to_be_bytes()
}

impl Tables for HostTables {
    type Word = HostWord;

    fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn find(&self, destination: &Address) -> Found {
        self.policies.get(destination).map_or(Found::NONE, |policy| Found {
            policy: policy_element(policy.slot, false),
            blackhole: policy.blackhole_until_ns != 0,
        })
    }

    fn policy(&self, found: Found) -> Option<&AddressPolicy> {
        self.policies.values().find(|policy| policy.slot == found.slot())
    }

    fn listed(&self, source: &Address, prefix_len: u32) -> Option<&ListEntry> {
        (0..=prefix_len)
            .rev()
            .find_map(|bits| self.list.get(&(bits, masked(*source, bits))))
    }

    fn address_rate(&self, slot: u32) -> Option<HostWord> {
        Some(self.buckets.borrow_mut().entry(slot).or_default().clone())
    }

    fn with_address_cpu<R>(&self, slot: u32, with: impl FnOnce(&mut AddressCpu) -> R) -> Option<R> {
        Some(with(self.cpus.borrow_mut().entry(slot).or_default()))
    }

    fn sketch_count(&self, hash: u64, syns: u64, now_ns: u64) -> u32 {
        self.sketch.borrow_mut()[sketch::block_of(hash) as usize].count(hash, syns, now_ns)
    }

    fn sampling_turn(&self) -> bool {
        self.strangers.set(self.strangers.get() + 1);
        self.strangers.get().is_multiple_of(SAMPLING)
    }

    fn with_source_local<R>(&self, slot: u32, with: impl FnOnce(&mut SourceLocal) -> R) -> Option<R> {
        self.locals.borrow_mut().get_mut(slot as usize).map(with)
    }

    fn source_record(&self, source: &Address) -> Option<SharedSource<HostWord>> {
        self.records.borrow().get(source).cloned()
    }

    fn may_promote(&self) -> bool {
        let (tick, spent) = self.promotions.get();
        let spent = if tick == self.now_ns() { spent } else { 0 };
        self.promotions.set((self.now_ns(), spent + 1));
        spent < PROMOTIONS_PER_TICK
    }

    fn insert_source(&self, source: &Address, record: &SourceRecord) {
        let word = |value: u64| HostWord(Rc::new(AtomicU64::new(value)));
        let shared = SharedSource {
            tat_ns: word(record.tat_ns),
            admitted: word(record.admitted),
            dropped: word(record.dropped),
            last_ns: word(record.last_ns),
        };
        self.records.borrow_mut().entry(*source).or_insert(shared);
    }

    fn own_socket(&self, _packet: &Packet) -> OwnSocket {
        self.own_socket.get().unwrap_or(OwnSocket::None)
    }
}
