//! Stage: SYN rates, of the source first, so that a botnet's excess does not eat the address's budget.

use xdp_common::{AddressPolicy, Reason, address_index::Found, source::SAMPLING};

use super::source;
use crate::{packet::Packet, tables::Tables};

#[inline(always)]
pub(super) fn stage<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Reason {
    let now_ns = tables.now_ns();
    // An address that has nothing left takes nothing, whoever asks: then one SYN of several stands for all of them, which
    // still finds the sources of a botnet, and a spoofed flood does not pay for the sketch with each packet.
    let dry = tables
        .with_address_cpu(found.slot(), |cpu| cpu.bucket.is_dry(now_ns))
        .unwrap_or(false);
    if dry && !tables.sampling_turn() {
        return Reason::AddressRate;
    }
    let Some(policy) = tables.policy(found) else {
        return Reason::Syn;
    };
    let source_over = !source::admit(&packet.source.source(), if dry { SAMPLING } else { 1 }, tables, now_ns);
    if !policy.limits() {
        return Reason::Syn;
    }
    if source_over {
        return Reason::SourceRate;
    }
    if !dry && admit_to_address(policy, tables, now_ns) {
        return Reason::Syn;
    }
    // The rung `verify` belongs here: over its rate an address will make SYNs prove themselves instead of losing them.
    Reason::AddressRate
}

#[inline(always)]
fn admit_to_address<T: Tables>(policy: &AddressPolicy, tables: &T, now_ns: u64) -> bool {
    let Some(shared) = tables.address_rate(policy.slot) else {
        return true;
    };
    tables
        .with_address_cpu(policy.slot, |cpu| cpu.bucket.admit(&shared, &policy.syn, now_ns))
        .unwrap_or(true)
}

/// True for the verdicts that mean "over a rate".
#[inline(always)]
pub(super) const fn is_excess(reason: Reason) -> bool {
    matches!(reason, Reason::SourceRate | Reason::AddressRate)
}

/// Remembers when the address was last over a rate; true when that begins an excess.
#[inline(always)]
pub(super) fn note_excess<T: Tables>(slot: u32, tables: &T) -> bool {
    let now_ns = tables.now_ns();
    tables
        .with_address_cpu(slot, |cpu| cpu.note_excess(now_ns))
        .unwrap_or(false)
}
