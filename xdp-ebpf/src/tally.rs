//! After the verdict: who sends how much to our addresses, whatever it is and whatever became of it. Nothing of this ever
//! changes a verdict. Every packet's source counts among the different ones; one packet of many is looked at, see
//! [`xdp_common::turn`], and stands for them in the tally of sources and of their prefixes.

use xdp_common::{
    Action, Reason, distinct, sketch,
    tally::{Kind, Seen, set_of},
};

use crate::{packet::Packet, tables::Tables};

/// Notes the source of a packet to an address of ours; true when the packet is to be looked at.
#[inline(always)]
pub fn meet<T: Tables>(packet: &Packet, tables: &T) -> bool {
    let hash = distinct::hash(packet.source, tables.settings().seed);
    tables.with_distinct(|distinct| distinct.meet(hash));
    tables.with_turn(|turn, _| turn.comes()).unwrap_or(false)
}

/// Looks at a packet.
#[inline(always)]
pub fn look<T: Tables>(packet: &Packet, reason: Reason, tables: &T) {
    let now_ns = tables.now_ns();
    tables.with_distinct(|distinct| distinct.turn_to(now_ns));
    let taken = tables.with_turn(|turn, tallied| {
        let packets = turn.take(now_ns);
        let seen = Seen {
            packets,
            bytes: packets * packet.frame_len,
            syns: if packet.is_syn() { packets } else { 0 },
            drops: if matches!(reason.action(), Action::Drop) {
                packets
            } else {
                0
            },
        };
        tallied.add(&seen);
        (seen, [turn.draw(), turn.draw()])
    });
    let Some((seen, [first, second])) = taken else {
        return;
    };
    let seed = tables.settings().seed;
    // Twice in words, not by a function: what is called once becomes part of its caller, and does not want a stack of its own.
    let source = Kind::Source.key(packet.source);
    let hash = sketch::hash(source, seed);
    tables.with_tally_set(set_of(hash, Kind::Source), |set| {
        set.count(&source, hash, &seen, first, now_ns);
    });
    let prefix = Kind::Prefix.key(packet.source);
    let hash = sketch::hash(prefix, seed);
    tables.with_tally_set(set_of(hash, Kind::Prefix), |set| {
        set.count(&prefix, hash, &seen, second, now_ns);
    });
}
