//! Stage: SYN rates, of the source first, so that a botnet's excess does not eat the address's budget.

use xdp_common::{AddressPolicy, Reason};

use super::source;
use crate::{packet::Packet, tables::Tables};

#[inline(always)]
pub(super) fn stage<T: Tables>(packet: &Packet, policy: &AddressPolicy, tables: &T) -> Reason {
    let now_ns = tables.now_ns();
    let source_over = !source::admit(&packet.source.source(), tables, now_ns);
    if !policy.limits() {
        return Reason::Syn;
    }
    if source_over {
        return Reason::SourceRate;
    }
    if admit_to_address(policy, tables, now_ns) {
        return Reason::Syn;
    }
    // The rung `verify` belongs here: over its rate an address will make SYNs prove themselves instead of losing them.
    Reason::AddressRate
}

#[inline(always)]
fn admit_to_address<T: Tables>(policy: &AddressPolicy, tables: &T, now_ns: u64) -> bool {
    let Some(shared) = tables.address_bucket(policy.slot) else {
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
