//! What the group of an address says of a SYN. Over plain state and not over [`Tables`](crate::tables::Tables): the kernel's
//! side has these in functions of their own, at which the verifier looks once.

use xdp_common::{AddressCpu, AddressPolicy, Rung, word::SharedWord};

use super::verify;
use crate::tables::SharedAddress;

/// How a group stands, in bits that can cross a call.
pub mod standing {
    /// It makes the SYNs to its addresses prove themselves.
    pub const IN_VERIFY: u32 = 1;
    /// This CPU knows that it has nothing left.
    pub const DRY: u32 = 2;
}

/// How a group stands.
#[inline(always)]
pub fn standing<W: SharedWord>(group: &AddressPolicy, shared: &SharedAddress<W>, cpu: &AddressCpu, now_ns: u64) -> u32 {
    let mut bits = 0;
    if verify::is_on(group, shared, now_ns) {
        bits |= standing::IN_VERIFY;
    }
    if cpu.bucket.is_dry(now_ns) {
        bits |= standing::DRY;
    }
    bits
}

/// Whether the group has room for a SYN that its address has room for. Over its rate, it enters verify or stays there,
/// unless the address may not. `all` is what all CPUs share of slot 0.
#[inline(always)]
pub fn takes<W: SharedWord>(
    group: &AddressPolicy,
    (shared, all): (&SharedAddress<W>, &SharedAddress<W>),
    cpu: &mut AddressCpu,
    may_verify: bool,
    now_ns: u64,
) -> bool {
    let in_verify = verify::is_on(group, shared, now_ns);
    let limit = if in_verify { &group.calm } else { &group.syn };
    let within = cpu.bucket.admit(&shared.tat_ns, limit, now_ns);
    if !within && may_verify && group.rung_most >= Rung::Verify as u8 {
        if !in_verify {
            shared.verify_since_ns.store(now_ns);
        }
        verify::put_off_end(group.hold_ns, shared, all, now_ns);
    }
    within
}

/// Whether one more SYN may reach one of its servers without a proof of its own: spread over many addresses, spoofed known
/// sources gain no more than the group's rate.
#[inline(always)]
pub fn takes_unproven<W: SharedWord>(
    group: &AddressPolicy,
    shared: &SharedAddress<W>,
    cpu: &mut AddressCpu,
    now_ns: u64,
) -> bool {
    cpu.known.admit(&shared.known_tat_ns, &group.syn, now_ns)
}
