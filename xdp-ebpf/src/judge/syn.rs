//! Stage: SYN rates, of the source first, so that a botnet's excess does not eat the address's budget. Over its own rate, an
//! address takes only SYNs that prove themselves (see [`verify`](super::verify)), or none if that is not wanted; and so do
//! all addresses of a group that is over its rate, each of them within its own.

use xdp_common::{AddressPolicy, Reason, Rung, address_index::Found, sketch, source::SAMPLING, word::SharedWord as _};

use super::{
    Verdict,
    group::standing,
    list, source,
    verify::{self, Asked},
};
use crate::{
    packet::Packet,
    tables::{SharedAddress, Tables},
};

// What is known of a SYN on its way through this stage, in one word, so that the verifier can be made to forget it: it would
// walk what follows once for each of all combinations.

/// The address is in verify.
const ALONE: u64 = 1 << 0;
/// Its group is in verify, and the address may be.
const TOGETHER: u64 = 1 << 1;
/// The source completed a handshake lately; asked in verify only.
const KNOWN: u64 = 1 << 2;
/// This CPU knows that the address has nothing left.
const DRY: u64 = 1 << 3;
/// It exceeds the address's rate.
const OVER: u64 = 1 << 4;
/// It exceeds the group's rate, and not the address's.
const GROUP_OVER: u64 = 1 << 5;
/// The source was looked for in the large lists.
const ASKED: u64 = 1 << 6;
/// The address is on the rung where no rate holds.
const OBSERVED: u64 = 1 << 7;

/// A flood that exceeds an address's rate comes no further than here, but for those SYNs by which a botnet's sources are found.
#[inline(always)]
pub(super) fn is_unseen<T: Tables>(found: Found, tables: &T) -> bool {
    // Time first: what was noted of a jiffy that is over does not hold.
    tables.now_ns();
    tables.drops_unseen(found.policy)
}

/// What is known of a SYN when its source's rate is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Asking {
    /// What this stage knows, see above.
    bits: u64,
    /// The source's hash.
    hash: u64,
    /// So many SYNs it stands for.
    stands_for: u64,
}

/// Before the source's rate: a verdict, or what is asked.
#[inline(always)]
pub(super) fn before<T: Tables>(packet: &Packet, found: Found, tables: &T) -> Result<Asking, Verdict> {
    let now_ns = tables.now_ns();
    let (Some(policy), Some(shared)) = (tables.policy(found), tables.address_rate(found.slot())) else {
        return Err(Verdict::within(Reason::Syn));
    };
    let stands = match policy.group {
        0 => 0,
        group => tables.group_standing(group),
    };
    let mut bits = 0;
    if verify::is_on(policy, &shared, now_ns) {
        bits |= ALONE;
    }
    if stands & standing::IN_VERIFY != 0 && policy.most(now_ns) >= Rung::Verify as u8 {
        bits |= TOGETHER;
    }
    let source = packet.source.source();
    let hash = sketch::hash(source, tables.settings().seed);
    if bits != 0 && tables.is_known(hash) {
        bits |= KNOWN;
    }
    let dry = tables
        .with_address_cpu(policy.slot, |cpu| cpu.bucket.is_dry(now_ns))
        .unwrap_or(false);
    if dry {
        bits |= DRY;
    }
    // Of the strangers that an address with nothing left meets, one stands for several: that still finds the sources of a
    // botnet, and a spoofed flood does not pay for the sketch with each packet.
    let nothing_left = dry || stands & standing::DRY != 0;
    let stands_for = match nothing_left && bits & KNOWN == 0 {
        false => 1,
        true if tables.sampling_turn() => SAMPLING,
        true => 0,
    };
    // Whoever can be granted anything at once is looked for in the large lists first. The others will be where they are granted
    // something: most are not, and far memory is what a flood must not cost.
    if policy.floor(now_ns) < Rung::Limit as u8 {
        bits |= OBSERVED | ASKED;
    } else if !dry || bits & KNOWN != 0 {
        // Also where only the group has nothing left: the address's own budget is charged first.
        bits |= ASKED;
    }
    let (bits, stands_for) = (tables.forget(bits), tables.forget(stands_for));
    if bits & ASKED != 0 && list::blocks(packet, tables) {
        return Err(Verdict::within(Reason::Blocked));
    }
    Ok(Asking { bits, hash, stands_for })
}

/// Whether it is within its source's rate.
#[inline(always)]
pub(super) fn source_within<T: Tables>(packet: &Packet, asking: Asking, tables: &T) -> bool {
    let now_ns = tables.now_ns();
    asking.stands_for == 0 && !tables.meets_heavy_sources(now_ns)
        || source::admit(&packet.source.source(), asking.hash, asking.stands_for, tables, now_ns)
}

/// The verdict, after the source's rate.
#[inline(always)]
pub(super) fn after<T: Tables>(packet: &Packet, found: Found, asking: Asking, within: bool, tables: &T) -> Verdict {
    let Asking { bits, hash, .. } = asking;
    if bits & OBSERVED != 0 {
        return Verdict::within(Reason::Syn);
    }
    if !within {
        return Verdict::over(Reason::SourceRate);
    }
    let now_ns = tables.now_ns();
    let (Some(policy), Some(shared)) = (tables.policy(found), tables.address_rate(found.slot())) else {
        return Verdict::within(Reason::Syn);
    };
    let bits = tables.forget(bits | charge(bits, policy, &shared, tables, now_ns));
    let may_verify = policy.most(now_ns) >= Rung::Verify as u8;
    if bits & (OVER | GROUP_OVER | ALONE | TOGETHER) == 0 {
        return Verdict::within(Reason::Syn);
    }
    if !may_verify {
        if bits & OVER == 0 {
            return Verdict::over(Reason::GroupRate);
        }
        tables.note_exhausted(found.policy);
        return Verdict::over(Reason::AddressRate);
    }
    if bits & OVER != 0 {
        if bits & ALONE == 0 {
            // From this packet on, SYNs must prove themselves.
            shared.verify_since_ns.store(now_ns);
        }
        if let Some(all) = tables.address_rate(0) {
            verify::put_off_end(policy.hold_ns, &shared, &all, now_ns);
        }
    }
    let over = bits & (OVER | GROUP_OVER) != 0;
    let asked = Asked {
        hash,
        known: bits & KNOWN != 0,
        lists: bits & ASKED != 0,
    };
    match verify::stage(packet, policy, &shared, asked, tables, now_ns) {
        Reason::AddressRate if bits & (ALONE | OVER) == 0 => Verdict {
            reason: Reason::GroupRate,
            over,
        },
        reason => Verdict { reason, over },
    }
}

/// Charges a SYN to its address and, if that has room, to its group: what exceeds the address's rate is the address's affair,
/// and a flood of one address not one of its group.
#[inline(always)]
fn charge<T: Tables>(
    bits: u64,
    policy: &AddressPolicy,
    shared: &SharedAddress<T::Word>,
    tables: &T,
    now_ns: u64,
) -> u64 {
    if bits & DRY != 0 {
        return OVER;
    }
    let limit = if bits & ALONE != 0 { &policy.calm } else { &policy.syn };
    let within = tables
        .with_address_cpu(policy.slot, |cpu| cpu.bucket.admit(&shared.tat_ns, limit, now_ns))
        .unwrap_or(true);
    if !within {
        return OVER;
    }
    let may_verify = policy.most(now_ns) >= Rung::Verify as u8;
    if policy.group == 0 || tables.group_takes(policy.group, may_verify) {
        return 0;
    }
    GROUP_OVER
}

/// Remembers when the address was last over a rate; true when that begins an excess.
#[inline(always)]
pub(super) fn note_excess<T: Tables>(slot: u32, tables: &T) -> bool {
    let now_ns = tables.now_ns();
    tables
        .with_address_cpu(slot, |cpu| cpu.note_excess(now_ns))
        .unwrap_or(false)
}
