//! What the judge may look up and change: the kernel's maps in the program, plain memory in tests on the host.

use xdp_common::{
    Address, AddressCpu, AddressPolicy, Admission, ListEntry, Listed, Settings, SourceLocal, SourceRecord, Vector,
    address_index::Found,
    distinct::Distinct,
    listener::{ListenerFacts, state},
    tally::{Seen, Set},
    turn::Turn,
    word::SharedWord,
};

use crate::{
    cursor::FrameMut,
    packet::Packet,
    reply::options::{self, Options},
};

/// The fields of a shared [`SourceRecord`] that CPUs change.
#[derive(Clone, Copy, Debug)]
pub struct SharedSource<W> {
    /// [`SourceRecord::tat_ns`]
    pub tat_ns: W,
    /// [`SourceRecord::admitted`]
    pub admitted: W,
    /// [`SourceRecord::dropped`]
    pub dropped: W,
    /// [`SourceRecord::last_ns`]
    pub last_ns: W,
}

/// What all CPUs share of an address, see [`RateBucket`](xdp_common::layout::RateBucket).
#[derive(Clone, Copy, Debug)]
pub struct SharedAddress<W> {
    /// `tat_ns`
    pub tat_ns: W,
    /// `known_tat_ns`
    pub known_tat_ns: W,
    /// `verify_until_ns`
    pub verify_until_ns: W,
    /// `verify_since_ns`
    pub verify_since_ns: W,
}

/// What this host's own sockets know of a TCP segment that is no SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It belongs to no connection, and carries no valid cookie.
    None,
    /// It belongs to a connection: established, half-open, closing, in TIME_WAIT.
    Exists,
    /// It goes to a listener, and acknowledges a valid SYN cookie.
    Cookie,
}

/// What a listener makes of a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// One of [`xdp_common::listener::state`].
    pub state: u32,
    /// What its SYN-ACK says.
    pub facts: ListenerFacts,
}

impl Listener {
    /// Nobody listens.
    pub const NONE: Self = Self {
        state: state::NONE,
        facts: ListenerFacts {
            window: 0,
            mss: 0,
            window_scale: 0,
            options: 0,
            learned: 0,
            reserved: 0,
        },
    };
}

/// What this host's own sockets know of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnSocket {
    /// None, or only one that listens.
    None,
    /// A TCP connection: established, being opened by us or by the peer, or closing.
    Connection,
    /// A UDP socket of a client: connected to the peer, or bound to an ephemeral port.
    UdpClient,
}

/// Maps, clock and sockets. The `with_` methods lend an element of this CPU alone, which nothing else changes
/// meanwhile; they must not be nested for the same map.
pub trait Tables {
    /// A word that all CPUs share.
    type Word: SharedWord + Clone;

    /// CLOCK_MONOTONIC to the jiffy, ns.
    fn now_ns(&self) -> u64;
    /// The bits as they are. The kernel's side hides from its verifier which they are.
    #[inline(always)]
    fn forget(&self, bits: u64) -> u64 {
        bits
    }
    /// The settings of the whole program.
    fn settings(&self) -> &Settings;
    /// Looks for a protected address.
    fn find(&self, destination: &Address) -> Found;
    /// Its policy.
    fn policy(&self, found: Found) -> Option<&AddressPolicy>;
    /// Whether the source list's trie may hold the source, or a list that allows: a bit of a filter. If not, nothing but a
    /// list that blocks can decide about it.
    fn may_be_listed(&self, source: &Address) -> bool;
    /// Whether any large list allows.
    fn lists_allow(&self) -> bool;
    /// What the large lists say of a source: the longest prefix of a list that has not ended.
    fn in_lists(&self, source: &Address) -> Listed;
    /// Counts a packet that a list decided about.
    fn count_listed(&self, list: u32);
    /// The longest prefix of at most `prefix_len` bits in the source list's trie that holds the source.
    fn listed(&self, source: &Address, prefix_len: u32) -> Option<&ListEntry>;
    /// What all CPUs share of an address; of slot 0, of all addresses.
    fn address_rate(&self, slot: u32) -> Option<SharedAddress<Self::Word>>;
    /// This CPU's side of an address.
    fn with_address_cpu<R>(&self, slot: u32, with: impl FnOnce(&mut AddressCpu) -> R) -> Option<R>;
    /// How a group (its number plus 1) stands: bits of [`crate::judge::group::standing`].
    fn group_standing(&self, group: u32) -> u32;
    /// Whether it has room for a SYN to an address that has, see [`crate::judge::group::takes`].
    fn group_takes(&self, group: u32, may_verify: bool) -> bool;
    /// Whether one more SYN may reach one of its servers unproven.
    fn group_takes_unproven(&self, group: u32) -> bool;
    /// Whether a frame is within the rates of a vector, of its address and of the address's group.
    fn vector_admits(&self, found: Found, vector: Vector, frame_len: u32) -> Admission;
    /// Gives back what a frame took of these vectors' rates (their bits), of an address and of its group.
    fn vector_refund(&self, found: Found, vectors: u32, frame_len: u32);
    /// Counts SYNs in the sketch; the estimate of their source's SYNs in this window.
    fn sketch_count(&self, hash: u64, syns: u64, now_ns: u64) -> u32;
    /// Whether a SYN to the address of this policy can be dropped without another look: this CPU has noted that the address
    /// has nothing left until the clock moves on, meets no heavy sources, and it is not the turn of one that is sampled.
    fn drops_unseen(&self, policy: u32) -> bool;
    /// Notes that an address has nothing left until the clock moves on.
    fn note_exhausted(&self, policy: u32);
    /// True for one of [`SAMPLING`](xdp_common::source::SAMPLING) calls on this CPU.
    fn sampling_turn(&self) -> bool;
    /// Whether there was one lately: the sketch's counters hold what single SYNs stood for.
    fn sampled_lately(&self, now_ns: u64) -> bool;
    /// Whether this CPU met heavy sources lately: only then is its cache of them worth a look for each stranger.
    fn meets_heavy_sources(&self, now_ns: u64) -> bool;
    /// Notes that it did.
    fn met_heavy_source(&self, now_ns: u64);
    /// This CPU's cache slot for heavy sources.
    fn with_source_local<R>(&self, slot: u32, with: impl FnOnce(&mut SourceLocal) -> R) -> Option<R>;
    /// The shared record of a heavy source.
    fn source_record(&self, source: &Address) -> Option<SharedSource<Self::Word>>;
    /// Spends one of the insertions that this CPU may make in this jiffy.
    fn may_promote(&self) -> bool;
    /// Inserts a record, unless another CPU was faster.
    fn insert_source(&self, source: &Address, record: &SourceRecord);
    /// Whether the source with this hash completed a handshake lately.
    fn is_known(&self, hash: u64) -> bool;
    /// Remembers that it did.
    fn remember_known(&self, hash: u64);
    /// Whether the SYN with this hash came before, see [`xdp_common::retry`]; it is remembered.
    fn came_again(&self, hash: u64) -> bool;
    /// Whether this CPU can pay for an answer to a first SYN.
    fn can_answer(&self) -> bool;
    /// Pays for an answer to a first SYN, if this CPU can.
    fn may_answer(&self) -> bool;
    /// Pays for an answer to a retransmission, if this CPU can.
    fn may_answer_again(&self) -> bool;
    /// Whether a segment to the address with this slot, which is this host's, belongs to a connection. Costs a socket
    /// look-up when it was not just asked for the same connection: only in verify.
    fn connection(&self, slot: u32, packet: &Packet) -> Connection;
    /// What the listener that a SYN asks for makes of it.
    fn listener(&self, slot: u32, packet: &Packet) -> Listener;
    /// The SYN cookie of the host's kernel for a segment with these addresses and ports, this sequence number and this
    /// MSS, and the time (see `cookie_init_sequence` in the kernel's net/ipv4/syncookies.c); `None` without the helper.
    fn cookie(&self, packet: &Packet, sequence: u32, mss: u16) -> Option<u32>;
    /// What a SYN offers.
    fn options<F: FrameMut>(&self, frame: &F, packet: &Packet) -> Options {
        options::of(frame, packet)
    }
    /// The clock of TCP timestamps, ms.
    fn now_ms(&self) -> u32;
    /// This CPU's turn to look at a packet for the tally, and all that it tallied.
    fn with_turn<R>(&self, with: impl FnOnce(&mut Turn, &mut Seen) -> R) -> Option<R>;
    /// A set of this CPU's tally.
    fn with_tally_set<R>(&self, set: u32, with: impl FnOnce(&mut Set) -> R) -> Option<R>;
    /// This CPU's registers of different sources.
    fn with_distinct<R>(&self, with: impl FnOnce(&mut Distinct) -> R) -> Option<R>;
    /// Which socket of this host a packet belongs to. Costs a socket look-up: only under a blackhole.
    fn own_socket(&self, packet: &Packet) -> OwnSocket;
}
