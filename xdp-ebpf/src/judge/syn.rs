//! Stage: SYN rates, of the source first, so that a botnet's excess does not eat the address's budget. Over its own rate, an
//! address takes only SYNs that prove themselves (see [`verify`](super::verify)), or none if that is not wanted.

use xdp_common::{Reason, Rung, address_index::Found, sketch, source::SAMPLING, word::SharedWord as _};

use super::{
    Verdict, list, source,
    verify::{self, Asked},
};
use crate::{packet::Packet, tables::Tables};

#[inline(always)]
pub(super) fn stage<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Verdict {
    let now_ns = tables.now_ns();
    let (Some(policy), Some(shared)) = (tables.policy(found), tables.address_rate(found.slot())) else {
        return Verdict::within(Reason::Syn);
    };
    let in_verify = verify::is_on(policy, &shared, now_ns);
    let source = packet.source.source();
    let hash = sketch::hash(source, tables.settings().seed);
    let known = in_verify && tables.is_known(hash);
    let dry = tables
        .with_address_cpu(policy.slot, |cpu| cpu.bucket.is_dry(now_ns))
        .unwrap_or(false);
    // Of the strangers that an address with nothing left meets, one stands for several: that still finds the sources of a
    // botnet, and a spoofed flood does not pay for the sketch with each packet.
    let stands_for = match dry && !known {
        false => 1,
        true if tables.sampling_turn() => SAMPLING,
        true => 0,
    };
    // Whoever can be granted anything at once is looked for in the large lists first. The others will be where they are granted
    // something: most are not, and far memory is what a flood must not cost.
    let observed = policy.floor(now_ns) < Rung::Limit as u8;
    let asked = !dry || known || observed;
    if asked && list::blocks(packet, tables) {
        return Verdict::within(Reason::Blocked);
    }
    let source_within = stands_for == 0 && !tables.meets_heavy_sources(now_ns)
        || source::admit(&source, hash, stands_for, tables, now_ns);
    if observed {
        return Verdict::within(Reason::Syn);
    }
    if !source_within {
        return Verdict::over(Reason::SourceRate);
    }
    let limit = if in_verify { &policy.calm } else { &policy.syn };
    let within = !dry
        && tables
            .with_address_cpu(policy.slot, |cpu| cpu.bucket.admit(&shared.tat_ns, limit, now_ns))
            .unwrap_or(true);
    if !in_verify {
        if within {
            return Verdict::within(Reason::Syn);
        }
        if policy.most(now_ns) < Rung::Verify as u8 {
            return Verdict::over(Reason::AddressRate);
        }
        // From this packet on, SYNs must prove themselves.
        shared.verify_since_ns.store(now_ns);
    }
    if !within {
        verify::put_off_end(policy, &shared, tables, now_ns);
    }
    Verdict {
        reason: verify::stage(
            packet,
            policy,
            &shared,
            Asked {
                hash,
                known,
                lists: asked,
            },
            tables,
            now_ns,
        ),
        over: !within,
    }
}

/// Remembers when the address was last over a rate; true when that begins an excess.
#[inline(always)]
pub(super) fn note_excess<T: Tables>(slot: u32, tables: &T) -> bool {
    let now_ns = tables.now_ns();
    tables
        .with_address_cpu(slot, |cpu| cpu.note_excess(now_ns))
        .unwrap_or(false)
}
