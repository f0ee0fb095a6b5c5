//! The judge's tables in plain memory: the model that the kernel's maps are compared with.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    rc::Rc,
    sync::atomic::AtomicU64,
};

use ipnet::IpNet;
use xdp_common::{
    Action, Address, AddressCpu, AddressPolicy, Admission, ListEntry, Listed, Rung, Settings, SourceLocal,
    SourceRecord, Vector,
    address_index::{Found, policy_element},
    distinct::Distinct,
    known::KnownBucket,
    list_filter,
    retry::{Reach, RetryLine, WINDOW_NS, line_of},
    sketch::{self, Block},
    source::{LOCAL_SLOTS, PROMOTIONS_PER_TICK, SAMPLED_NS, SAMPLING},
    tally::{self, Seen},
    turn::Turn,
    vector::{VectorLimit, VectorLocal},
    word::SharedWord,
};
use xdp_ebpf::{
    Connection, Judgement, Listener, OwnSocket, Packet, SharedAddress, SharedSource, Tables, answer, cursor::Buffer,
    examine, judge::group, reply::Write,
};

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

/// What a CPU holds of a vector, and the two words that all share.
type VectorBuckets = (VectorLocal, HostWord, HostWord);

/// One CPU's view of the world, with a clock that the test sets.
#[derive(Debug)]
pub struct HostTables {
    /// CLOCK_MONOTONIC, ns.
    pub now_ns: Cell<u64>,
    /// The settings of the whole program.
    pub settings: Settings,
    /// Protected addresses.
    pub policies: HashMap<Address, AddressPolicy>,
    /// Groups by their numbers, with their policies.
    pub groups: Vec<(IpNet, AddressPolicy)>,
    /// Limits of vectors by slot.
    pub vector_limits: HashMap<(u32, Vector), VectorLimit>,
    /// The source list: (prefix bits, masked address) → entry.
    pub list: BTreeMap<(u32, [u8; 16]), ListEntry>,
    /// The large lists, of the same form: who is in one of them, and with what (a list's number and action).
    pub large: BTreeMap<(u32, [u8; 16]), Listed>,
    /// Until when a list holds, by its number; without end where there is nothing.
    pub list_ends_ns: HashMap<u32, u64>,
    /// Packets that lists decided about, by their numbers.
    pub list_packets: RefCell<BTreeMap<u32, u64>>,
    /// Where `list` has anything, and `large` allows: bits of the filter.
    near: HashSet<u32>,
    /// What the host's sockets answer.
    pub own_socket: Cell<Option<OwnSocket>>,
    /// What they answer for a segment that is no SYN.
    pub connection: Cell<Connection>,
    /// What the listener makes of any SYN.
    pub listener: Cell<Listener>,
    /// First SYNs, and retransmissions, that may still be answered.
    pub answers: Cell<(u64, u64)>,
    shared: RefCell<HashMap<u32, SharedAddress<HostWord>>>,
    vectors: RefCell<HashMap<(u32, Vector), VectorBuckets>>,
    /// By the whole hash: the kernel's side has 16 bits of it, and now and then takes a stranger for somebody it knows.
    known: RefCell<HashMap<u64, KnownBucket>>,
    retry: RefCell<Vec<RetryLine>>,
    cpus: RefCell<HashMap<u32, AddressCpu>>,
    sketch: RefCell<Vec<Block>>,
    locals: RefCell<Vec<SourceLocal>>,
    records: RefCell<HashMap<Address, SharedSource<HostWord>>>,
    promotions: Cell<(u64, u32)>,
    strangers: Cell<u64>,
    sampled_until_ns: Cell<u64>,
    turn: RefCell<(Turn, Seen)>,
    tally: RefCell<Vec<tally::Set>>,
    distinct: RefCell<Distinct>,
}

impl Default for HostTables {
    fn default() -> Self {
        Self {
            now_ns: Cell::new(1_000_000_000_000),
            settings: Settings::default(),
            policies: HashMap::new(),
            groups: Vec::new(),
            vector_limits: HashMap::new(),
            list: BTreeMap::new(),
            large: BTreeMap::new(),
            list_ends_ns: HashMap::new(),
            list_packets: RefCell::default(),
            near: HashSet::new(),
            own_socket: Cell::new(None),
            connection: Cell::new(Connection::None),
            listener: Cell::new(Listener::NONE),
            answers: Cell::new((u64::MAX, u64::MAX)),
            shared: RefCell::default(),
            vectors: RefCell::default(),
            known: RefCell::default(),
            retry: RefCell::new(vec![RetryLine::default(); 4_096]),
            cpus: RefCell::default(),
            sketch: RefCell::new(vec![Block::default(); sketch::BLOCKS as usize]),
            locals: RefCell::new(vec![SourceLocal::default(); LOCAL_SLOTS as usize]),
            records: RefCell::default(),
            promotions: Cell::new((0, 0)),
            strangers: Cell::new(0),
            sampled_until_ns: Cell::new(0),
            turn: RefCell::default(),
            tally: RefCell::new(vec![tally::Set::default(); tally::ALL_SETS as usize]),
            distinct: RefCell::default(),
        }
    }
}

impl HostTables {
    /// The verdict on a frame.
    #[must_use]
    pub fn examine(&self, frame: &[u8]) -> Judgement {
        self.reply(frame).0
    }

    /// The verdict on a frame, and the frame as it is afterwards.
    ///
    /// # Panics
    /// When the frame is longer than 2,048 bytes and is to be answered.
    #[must_use]
    pub fn reply(&self, frame: &[u8]) -> (Judgement, Vec<u8>) {
        let (packet, mut judgement) = examine(&frame, self);
        if judgement.reason.action() != Action::Reply {
            return (judgement, frame.to_vec());
        }
        let mut buffer = Buffer {
            bytes: [0; 2_048],
            len: frame.len(),
        };
        buffer.bytes[..frame.len()].copy_from_slice(frame);
        let mut into = &mut buffer;
        judgement.reason = answer(&mut into, &packet, judgement.found, judgement.reason, Write::Yes, self);
        (judgement, buffer.bytes[..buffer.len].to_vec())
    }

    /// The policy of a group by its number plus 1.
    fn group(&self, number: u32) -> Option<&AddressPolicy> {
        self.groups
            .get((number as usize).checked_sub(1)?)
            .map(|(_, policy)| policy)
    }

    /// Makes a source known.
    pub fn make_known(&self, source: Address) {
        self.remember_known(sketch::hash(source.source(), self.settings.seed));
    }

    /// Spends an answer, if one is left.
    fn answers(&self, take: impl Fn((u64, u64)) -> (u64, u64), left: impl Fn((u64, u64)) -> u64) -> bool {
        let now = self.answers.get();
        let may = left(now) > 0;
        if may {
            self.answers.set(take(now));
        }
        may
    }

    /// Adds a list entry.
    pub fn insert_list(&mut self, address: Address, entry: ListEntry) {
        let first = masked(address, entry.prefix_len);
        self.mark(Address::from_bytes(first), entry.prefix_len);
        self.list.insert((entry.prefix_len, first), entry);
    }

    /// Adds a prefix of a large list, unless an earlier one has it.
    pub fn insert_large(&mut self, address: Address, listed: Listed) {
        let first = masked(address, listed.prefix_len());
        if !listed.blocks() {
            self.mark(Address::from_bytes(first), listed.prefix_len());
        }
        self.large.entry((listed.prefix_len(), first)).or_insert(listed);
    }

    /// Sets the filter's bits of a prefix.
    fn mark(&mut self, first: Address, prefix_len: u32) {
        let (ip, before) = match IpAddr::from(first) {
            ip @ IpAddr::V4(_) => (ip, 96),
            ip @ IpAddr::V6(_) => (ip, 0),
        };
        let net = IpNet::new(ip, (prefix_len - before) as u8).expect("a prefix of its family");
        let mut words = vec![0; list_filter::WORDS as usize];
        agent::kernel::mark(&mut words, net);
        let bits = |(at, word): (usize, u64)| {
            (0..64)
                .filter(move |bit| word & 1 << bit != 0)
                .map(move |bit| at as u32 * 64 + bit)
        };
        let fine = words.into_iter().take(list_filter::FINE_WORDS as usize).enumerate();
        // Nearly all are empty, and a fuzzer makes a model for each input.
        self.near.extend(fine.filter(|(_, word)| *word != 0).flat_map(bits));
    }

    /// What the tally has of each key.
    #[must_use]
    pub fn tallied(&self, kind: tally::Kind) -> Vec<(Address, Seen)> {
        let first = kind as usize * tally::SETS as usize;
        let sets = &self.tally.borrow()[first..first + tally::SETS as usize];
        let records = sets.iter().flat_map(|set| set.records);
        let begun = records.filter(|record| record.since_ns != 0);
        begun.map(|record| (record.key, record.seen)).collect()
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
            verify: policy.rung_until_ns != 0 && policy.rung >= Rung::Verify as u8,
            look: policy.look,
        })
    }

    fn policy(&self, found: Found) -> Option<&AddressPolicy> {
        self.policies.values().find(|policy| policy.slot == found.slot())
    }

    fn may_be_listed(&self, source: &Address) -> bool {
        self.near.contains(&list_filter::bit_of(*source))
    }

    fn lists_allow(&self) -> bool {
        self.large.values().any(|listed| !listed.blocks())
    }

    fn in_lists(&self, source: &Address) -> Listed {
        let longest = (0..=128)
            .rev()
            .find_map(|bits| self.large.get(&(bits, masked(*source, bits))));
        let holds = |listed: &&Listed| {
            self.list_ends_ns
                .get(&listed.list())
                .is_none_or(|end| self.now_ns() < *end)
        };
        longest.filter(holds).copied().unwrap_or(Listed::NONE)
    }

    fn count_listed(&self, list: u32) {
        *self.list_packets.borrow_mut().entry(list).or_default() += 1;
    }

    fn listed(&self, source: &Address, prefix_len: u32) -> Option<&ListEntry> {
        (0..=prefix_len)
            .rev()
            .find_map(|bits| self.list.get(&(bits, masked(*source, bits))))
    }

    fn address_rate(&self, slot: u32) -> Option<SharedAddress<HostWord>> {
        let empty = || SharedAddress {
            tat_ns: HostWord::default(),
            known_tat_ns: HostWord::default(),
            verify_until_ns: HostWord::default(),
            verify_since_ns: HostWord::default(),
        };
        Some(self.shared.borrow_mut().entry(slot).or_insert_with(empty).clone())
    }

    fn with_address_cpu<R>(&self, slot: u32, with: impl FnOnce(&mut AddressCpu) -> R) -> Option<R> {
        Some(with(self.cpus.borrow_mut().entry(slot).or_default()))
    }

    fn group_standing(&self, number: u32) -> u32 {
        let Some(policy) = self.group(number) else { return 0 };
        let shared = self.address_rate(policy.slot).expect("every slot has one");
        self.with_address_cpu(policy.slot, |cpu| group::standing(policy, &shared, cpu, self.now_ns()))
            .expect("every slot has one")
    }

    fn group_takes(&self, number: u32, may_verify: bool) -> bool {
        let Some(policy) = self.group(number) else { return true };
        let shared = |slot| self.address_rate(slot).expect("every slot has one");
        self.with_address_cpu(policy.slot, |cpu| {
            let words = (&shared(policy.slot), &shared(0));
            group::takes(policy, words, cpu, may_verify, self.now_ns())
        })
        .expect("every slot has one")
    }

    fn group_takes_unproven(&self, number: u32) -> bool {
        let Some(policy) = self.group(number) else { return true };
        let shared = self.address_rate(policy.slot).expect("every slot has one");
        self.with_address_cpu(policy.slot, |cpu| {
            group::takes_unproven(policy, &shared, cpu, self.now_ns())
        })
        .expect("every slot has one")
    }

    fn vector_admits(&self, found: Found, vector: Vector, frame_len: u32) -> Admission {
        let group = self.policy(found).map_or(0, |policy| policy.group);
        let limit = |slot| self.vector_limits.get(&(slot, vector)).copied().unwrap_or_default();
        let mut vectors = self.vectors.borrow_mut();
        let mut admits = |slot| {
            let (local, packets, bytes) = vectors.entry((slot, vector)).or_default();
            local.admit(&limit(slot), (&*packets, &*bytes), frame_len, self.now_ns())
        };
        if !admits(found.slot()) {
            return Admission::OverAddress;
        }
        let group = self.group(group);
        if group.is_none_or(|group| admits(group.slot)) {
            return Admission::Within;
        }
        let (local, ..) = vectors.entry((found.slot(), vector)).or_default();
        local.refund(&limit(found.slot()), frame_len);
        Admission::OverGroup
    }

    fn vector_refund(&self, found: Found, charged: u32, frame_len: u32) {
        let group = self.policy(found).and_then(|policy| self.group(policy.group));
        let slots = [Some(found.slot()), group.map(|group| group.slot)];
        for vector in Vector::ALL.into_iter().filter(|vector| charged & vector.bit() != 0) {
            for slot in slots.into_iter().flatten() {
                let limit = self.vector_limits.get(&(slot, vector)).copied().unwrap_or_default();
                let mut vectors = self.vectors.borrow_mut();
                let (local, ..) = vectors.entry((slot, vector)).or_default();
                local.refund(&limit, frame_len);
            }
        }
    }

    fn sketch_count(&self, hash: u64, syns: u64, now_ns: u64) -> u32 {
        self.sketch.borrow_mut()[sketch::block_of(hash) as usize].count(hash, syns, now_ns)
    }

    fn drops_unseen(&self, _policy: u32) -> bool {
        false
    }

    fn note_exhausted(&self, _policy: u32) {}

    fn sampling_turn(&self) -> bool {
        self.strangers.set(self.strangers.get() + 1);
        let turn = self.strangers.get().is_multiple_of(SAMPLING);
        if turn {
            self.sampled_until_ns.set(self.now_ns() + SAMPLED_NS);
        }
        turn
    }

    fn sampled_lately(&self, now_ns: u64) -> bool {
        now_ns < self.sampled_until_ns.get()
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

    fn meets_heavy_sources(&self, _now_ns: u64) -> bool {
        true
    }

    fn met_heavy_source(&self, _now_ns: u64) {}

    fn is_known(&self, hash: u64) -> bool {
        let known = self.known.borrow();
        known
            .get(&hash)
            .is_some_and(|bucket| bucket.has(hash, self.now_ns(), self.settings.known_ticks))
    }

    fn remember_known(&self, hash: u64) {
        let mut known = self.known.borrow_mut();
        let bucket = known.entry(hash).or_default();
        if let Some((word, value)) = bucket.remember(hash, self.now_ns()) {
            bucket.words[word] = value;
        }
    }

    fn came_again(&self, hash: u64) -> bool {
        let mut retry = self.retry.borrow_mut();
        let mask = retry.len() as u32 - 1;
        let line = &mut retry[line_of(hash, mask) as usize];
        let window = self.now_ns.get() / WINDOW_NS;
        let again = line.has(hash, window, Reach::Far);
        let (word, value) = line.remember(hash, window);
        line.words[word] = value;
        again
    }

    fn can_answer(&self) -> bool {
        self.answers.get().0 > 0
    }

    fn may_answer(&self) -> bool {
        self.answers(|(first, again)| (first - 1, again), |(first, _)| first)
    }

    fn may_answer_again(&self) -> bool {
        self.answers(|(first, again)| (first, again - 1), |(_, again)| again)
    }

    fn connection(&self, _slot: u32, _packet: &Packet) -> Connection {
        self.connection.get()
    }

    fn listener(&self, _slot: u32, _packet: &Packet) -> Listener {
        self.listener.get()
    }

    /// No cookie of any kernel, but as good a function of what it is made from.
    fn cookie(&self, packet: &Packet, sequence: u32, mss: u16) -> Option<u32> {
        let [a, b] = packet.source.words();
        let [c, d] = packet.destination.words();
        let mixed = [
            a,
            b,
            c,
            d,
            u64::from(packet.ports()),
            u64::from(sequence),
            u64::from(mss),
        ]
        .into_iter()
        .fold(7u64, |mixed, word| {
            (mixed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        });
        Some((mixed >> 32) as u32)
    }

    fn now_ms(&self) -> u32 {
        (self.now_ns.get() / 1_000_000) as u32
    }

    fn with_turn<R>(&self, with: impl FnOnce(&mut Turn, &mut Seen) -> R) -> Option<R> {
        let mut turn = self.turn.borrow_mut();
        let (turn, tallied) = &mut *turn;
        Some(with(turn, tallied))
    }

    fn with_tally_set<R>(&self, set: u32, with: impl FnOnce(&mut tally::Set) -> R) -> Option<R> {
        self.tally.borrow_mut().get_mut(set as usize).map(with)
    }

    fn with_distinct<R>(&self, with: impl FnOnce(&mut Distinct) -> R) -> Option<R> {
        Some(with(&mut self.distinct.borrow_mut()))
    }

    fn own_socket(&self, _packet: &Packet) -> OwnSocket {
        self.own_socket.get().unwrap_or(OwnSocket::None)
    }
}
