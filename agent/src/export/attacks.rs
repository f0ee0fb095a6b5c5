//! Attacks, events and how the host keeps up.

use std::fmt;

use super::{
    families::attacks::{
        ATTACK, ATTACK_IMPACT, ATTACK_PACKETS, ATTACK_START, ATTACK_SYNS, DETECTION, EVENTS, RECEIVE_DROPS, SATURATED,
        SOFTIRQ,
    },
    family::Family,
    writer::Writer,
};
use crate::{detect::Attack, snapshot::Snapshot};

pub(super) fn attacks(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    type Value = fn(&Attack) -> f64;
    let detection = &snapshot.detection;
    out.one(&DETECTION, detection.enabled)?;
    let of_vectors = detection.attacks.iter().flat_map(|attack| {
        let vectors = attack.vectors.iter();
        vectors.map(|vector| ([attack.subject.to_string(), vector.name().to_owned()], true))
    });
    out.each(&ATTACK, of_vectors)?;
    let values: [(&Family<1>, Value); 4] = [
        (&ATTACK_START, |attack| attack.started.as_duration().as_secs_f64()),
        (&ATTACK_SYNS, |attack| attack.peaks.syn),
        (&ATTACK_PACKETS, |attack| attack.peaks.packets),
        (&ATTACK_IMPACT, |attack| attack.impact_seconds),
    ];
    for (family, value) in values {
        let attacks = detection.attacks.iter();
        out.each(
            family,
            attacks.map(|attack| ([attack.subject.to_string()], value(attack))),
        )?;
    }
    let events = detection.happened.iter();
    out.each(&EVENTS, events.map(|(event, count)| ([(*event).to_owned()], *count)))?;
    out.one(&SATURATED, detection.saturated)?;
    out.one(&RECEIVE_DROPS, detection.load.receive_drops)?;
    out.one(&SOFTIRQ, detection.load.softirq)
}
