//! The rung `verify`: a SYN must prove that its source is real, unless the source did so lately.
//!
//! From cheap to dear: known sources pass within their own rates; then this CPU answers as many as it can pay for, by a
//! cookie or a challenge; beyond that a SYN is only remembered, and its retransmission is answered.

use xdp_common::{AddressPolicy, Method, Reason, Rung, retry, word::SharedWord};

use super::{group::standing, list};
use crate::{
    packet::Packet,
    tables::{SharedAddress, Tables},
};

/// The end of verify is put off when at least this part of the hold has passed: a shared word is not written per packet.
const PUT_OFF: u64 = 16;

/// Whether an address makes SYNs prove themselves.
#[inline(always)]
pub(super) fn is_on<W: SharedWord>(policy: &AddressPolicy, shared: &SharedAddress<W>, now_ns: u64) -> bool {
    let verify = Rung::Verify as u8;
    policy.floor(now_ns) >= verify || (now_ns < shared.verify_until_ns.load() && policy.most(now_ns) >= verify)
}

/// Whether the group of an address makes the SYNs to it prove themselves.
#[inline(always)]
pub(super) fn is_on_for_group<T: Tables>(policy: &AddressPolicy, tables: &T, now_ns: u64) -> bool {
    policy.group != 0
        && policy.most(now_ns) >= Rung::Verify as u8
        && tables.group_standing(policy.group) & standing::IN_VERIFY != 0
}

/// An address or a group is over its rate: it stays in verify for its hold from now on. `all` is what all CPUs share of all
/// addresses, so that other TCP costs one look while nobody is attacked.
#[inline(always)]
pub(super) fn put_off_end<W: SharedWord>(hold_ns: u64, shared: &SharedAddress<W>, all: &SharedAddress<W>, now_ns: u64) {
    let until = now_ns + hold_ns;
    if shared.verify_until_ns.load() + hold_ns / PUT_OFF > until {
        return;
    }
    shared.verify_until_ns.store(until);
    if all.verify_until_ns.load() < until {
        all.verify_until_ns.store(until);
    }
}

/// What is known of a SYN's source by now.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// Its hash.
    pub(super) hash: u64,
    /// Whether it completed a handshake lately.
    pub(super) known: bool,
    /// Whether it was looked for in the large lists: of a source that is known, always.
    pub(super) lists: bool,
}

/// What becomes of a SYN, within its source's rate, to an address in verify.
#[inline(always)]
pub(super) fn stage<T: Tables>(
    packet: &Packet,
    policy: &AddressPolicy,
    shared: &SharedAddress<T::Word>,
    asked: Asked,
    tables: &T,
    now_ns: u64,
) -> Reason {
    if asked.known && takes_unproven(policy, shared, tables, now_ns) {
        return Reason::Known;
    }
    if policy.floor(now_ns) >= Rung::Known as u8 {
        return Reason::NotKnown;
    }
    let by_cookie = policy.method == Method::Cookie as u8;
    if !by_cookie && policy.method != Method::Challenge as u8 {
        return Reason::AddressRate;
    }
    let first = tables.can_answer();
    // By cookie, a first SYN that cannot be answered pays for the look alone, and is looked for among those that came before.
    if by_cookie && !first {
        tables.may_answer();
    }
    let syn = || retry::flow_hash(asked.hash, packet.ports(), packet.sequence, policy.slot);
    let again = !(by_cookie && first) && tables.came_again(syn());
    // No answer goes to a blocked source, nor does any budget pay for it.
    if (first || again) && !asked.lists && list::blocks(packet, tables) {
        return Reason::Blocked;
    }
    if by_cookie {
        if first && tables.may_answer() || again && tables.may_answer_again() {
            Reason::ReplyCookie
        } else {
            Reason::Retry
        }
    } else if again && tables.may_answer_again() && takes_unproven(policy, shared, tables, now_ns) {
        // A client behind something that swallows challenges comes again all the same, and that is proof, too.
        Reason::Retransmitted
    } else if tables.may_answer() {
        Reason::ReplyChallenge
    } else {
        Reason::Retry
    }
}

/// Whether one more SYN may reach the server without a proof of its own. Whoever could spoof known sources gains no more
/// than the address's rate by it.
#[inline(always)]
pub(crate) fn takes_unproven<T: Tables>(
    policy: &AddressPolicy,
    shared: &SharedAddress<T::Word>,
    tables: &T,
    now_ns: u64,
) -> bool {
    let takes = tables
        .with_address_cpu(policy.slot, |cpu| {
            cpu.known.admit(&shared.known_tat_ns, &policy.syn, now_ns)
        })
        .unwrap_or(true);
    takes && (policy.group == 0 || tables.group_takes_unproven(policy.group))
}
