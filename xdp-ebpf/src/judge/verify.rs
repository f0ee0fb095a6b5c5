//! The rung `verify`: a SYN must prove that its source is real, unless the source did so lately.
//!
//! From cheap to dear: known sources pass within their own rates; then this CPU answers as many as it can pay for, by a
//! cookie or a challenge; beyond that a SYN is only remembered, and its retransmission is answered.

use xdp_common::{AddressPolicy, Method, Reason, Rung, retry, word::SharedWord};

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

/// The address is over its rate: it stays in verify for its hold from now on.
#[inline(always)]
pub(super) fn put_off_end<T: Tables>(policy: &AddressPolicy, shared: &SharedAddress<T::Word>, tables: &T, now_ns: u64) {
    let until = now_ns + policy.hold_ns;
    if shared.verify_until_ns.load() + policy.hold_ns / PUT_OFF > until {
        return;
    }
    shared.verify_until_ns.store(until);
    // Of all addresses together, so that other TCP costs one look while nobody is attacked.
    if let Some(all) = tables.address_rate(0)
        && all.verify_until_ns.load() < until
    {
        all.verify_until_ns.store(until);
    }
}

/// What becomes of a SYN, within its source's rate, to an address in verify.
#[inline(always)]
pub(super) fn stage<T: Tables>(
    packet: &Packet,
    policy: &AddressPolicy,
    shared: &SharedAddress<T::Word>,
    hash: u64,
    known: bool,
    tables: &T,
    now_ns: u64,
) -> Reason {
    if known && takes_unproven(policy, shared, tables, now_ns) {
        return Reason::Known;
    }
    if policy.floor(now_ns) >= Rung::Known as u8 {
        return Reason::NotKnown;
    }
    let syn = || retry::flow_hash(hash, packet.ports(), packet.sequence, policy.slot);
    if policy.method == Method::Cookie as u8 {
        if tables.may_answer() || (tables.came_again(syn()) && tables.may_answer_again()) {
            Reason::ReplyCookie
        } else {
            Reason::Retry
        }
    } else if policy.method == Method::Challenge as u8 {
        // A client behind something that swallows challenges comes again all the same, and that is proof, too.
        if tables.came_again(syn()) && tables.may_answer_again() && takes_unproven(policy, shared, tables, now_ns) {
            Reason::Retransmitted
        } else if tables.may_answer() {
            Reason::ReplyChallenge
        } else {
            Reason::Retry
        }
    } else {
        Reason::AddressRate
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
    tables
        .with_address_cpu(policy.slot, |cpu| {
            cpu.known.admit(&shared.known_tat_ns, &policy.syn, now_ns)
        })
        .unwrap_or(true)
}
