//! Attacks, events and how the host keeps up as Prometheus metrics.

use std::fmt;

use super::metrics::{Labels, Writer, yes};
use crate::{
    detect::{Attack, Peaks},
    snapshot::Snapshot,
};

pub(super) fn attacks(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let detection = &snapshot.detection;
    out.gauges(
        "detection",
        "1 while attacks are looked for",
        [(Vec::new(), yes(detection.enabled))],
    )?;
    let of_vectors = detection.attacks.iter().flat_map(|attack| {
        let vectors = attack.vectors.iter();
        vectors.map(move |vector| {
            let labels = vec![
                ("subject", attack.subject.to_string()),
                ("vector", vector.name().to_owned()),
            ];
            (labels, 1.0)
        })
    });
    out.gauges(
        "attack",
        "1 for each vector of an attack that goes on, by address or group; absent in calm",
        of_vectors,
    )?;
    let started = detection
        .attacks
        .iter()
        .map(|attack| (subject(attack), attack.started.as_duration().as_secs_f64()));
    out.gauges(
        "attack_start_timestamp_seconds",
        "When an attack that goes on began",
        started,
    )?;
    type Value = fn(&Peaks) -> f64;
    let peaks: [(&str, &str, Value); 2] = [
        (
            "attack_peak_syns_per_second",
            "Highest rate of SYNs of an attack that goes on",
            |peaks| peaks.syn,
        ),
        (
            "attack_peak_packets_per_second",
            "Highest rate of packets of an attack that goes on",
            |peaks| peaks.packets,
        ),
    ];
    for (name, help, value) in peaks {
        let values = detection
            .attacks
            .iter()
            .map(|attack| (subject(attack), value(&attack.peaks)));
        out.gauges(name, help, values)?;
    }
    let events = detection
        .happened
        .iter()
        .map(|(event, count)| (vec![("event", (*event).to_owned())], *count));
    out.counters("events", "What happened since the agent started, by kind", events)?;
    host(out, snapshot)
}

fn host(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let one = |value| [(Vec::new(), value)];
    let detection = &snapshot.detection;
    out.gauges(
        "host_saturated",
        "1 while this host loses packets before it can judge them",
        one(yes(detection.saturated)),
    )?;
    out.gauges(
        "receive_drops_per_second",
        "Packets per second that the interfaces lost because nobody took them in time",
        one(detection.load.receive_drops),
    )?;
    out.gauges(
        "softirq_share",
        "Share of its time that the busiest CPU spent in softirqs, 0 to 1",
        one(detection.load.softirq),
    )
}

fn subject(attack: &Attack) -> Labels<'static> {
    vec![("subject", attack.subject.to_string())]
}
