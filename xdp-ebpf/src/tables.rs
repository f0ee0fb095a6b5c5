//! What the judge may look up and change: the kernel's maps in the program, plain memory in tests on the host.

use xdp_common::{
    Address, AddressCpu, AddressPolicy, ListEntry, Settings, SourceLocal, SourceRecord, address_index::Found,
    word::SharedWord,
};

use crate::packet::Packet;

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

    /// Returns the word. The kernel's side makes the verifier forget what it knows of it.
    fn forget(&self, word: u64) -> u64 {
        word
    }
    /// CLOCK_MONOTONIC to the jiffy, ns.
    fn now_ns(&self) -> u64;
    /// The settings of the whole program.
    fn settings(&self) -> &Settings;
    /// Looks for a protected address.
    fn find(&self, destination: &Address) -> Found;
    /// Its policy.
    fn policy(&self, found: Found) -> Option<&AddressPolicy>;
    /// The longest listed prefix of at most `prefix_len` bits that holds the source.
    fn listed(&self, source: &Address, prefix_len: u32) -> Option<&ListEntry>;
    /// The shared SYN bucket of an address.
    fn address_rate(&self, slot: u32) -> Option<Self::Word>;
    /// This CPU's side of an address.
    fn with_address_cpu<R>(&self, slot: u32, with: impl FnOnce(&mut AddressCpu) -> R) -> Option<R>;
    /// Counts SYNs in the sketch; the estimate of their source's SYNs in this window.
    fn sketch_count(&self, hash: u64, syns: u64, now_ns: u64) -> u32;
    /// True for one of [`SAMPLING`](xdp_common::source::SAMPLING) calls on this CPU.
    fn sampling_turn(&self) -> bool;
    /// This CPU's cache slot for heavy sources.
    fn with_source_local<R>(&self, slot: u32, with: impl FnOnce(&mut SourceLocal) -> R) -> Option<R>;
    /// The shared record of a heavy source.
    fn source_record(&self, source: &Address) -> Option<SharedSource<Self::Word>>;
    /// Spends one of the insertions that this CPU may make in this jiffy.
    fn may_promote(&self) -> bool;
    /// Inserts a record, unless another CPU was faster.
    fn insert_source(&self, source: &Address, record: &SourceRecord);
    /// Which socket of this host a packet belongs to. Costs a socket look-up: only under a blackhole.
    fn own_socket(&self, packet: &Packet) -> OwnSocket;
}
