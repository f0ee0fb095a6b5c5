//! An event in a sentence for people.

use std::fmt::Write as _;

use super::{Event, What};

/// What happened, in a sentence.
#[must_use]
pub fn sentence(event: &Event) -> String {
    let subject = event
        .subject
        .map_or_else(|| "this host".to_owned(), |subject| subject.to_string());
    let attack = event
        .attack
        .map_or_else(|| "The attack".to_owned(), |number| format!("Attack {number}"));
    match &event.what {
        What::AttackStarted {
            vectors, syn, packets, ..
        } => {
            let vectors: Vec<&str> = vectors.iter().map(|vector| vector.name()).collect();
            let mut text = format!("{attack} on {subject} began");
            if !vectors.is_empty() {
                let _ = write!(text, " ({})", vectors.join(", "));
            }
            let _ = write!(text, ": {} SYN/s, {} packets/s.", rate(*syn), rate(*packets));
            text
        }
        What::VectorAdded { vector } => format!("{attack} on {subject} has a new vector: {vector}."),
        What::AttackEnded { seconds } => format!("{attack} on {subject} is over after {}.", span(*seconds)),
        What::HandshakesFalling { now, before } => format!(
            "Customers do not get in to {subject}: {} handshakes/s complete, and {} did before, while SYNs rise.",
            rate(*now),
            rate(*before)
        ),
        What::Busy { handshakes } => {
            format!("{subject} is busy: {} real handshakes/s, no attack.", rate(*handshakes))
        }
        What::RungChanged { from, to, why, dry_run } => {
            let done = if *dry_run { "would go" } else { "went" };
            format!("{subject} {done} from {from} to {to}: {why}")
        }
        What::HostSaturated { receive_drops, softirq } => format!(
            "This host loses {} packets/s before it can judge them, its busiest CPU spends {:.0} % in softirqs: ask upstream.",
            rate(*receive_drops),
            softirq * 100.0
        ),
        What::HostRecovered => "This host keeps up again.".to_owned(),
        What::Notice { text } => text.clone(),
    }
}

/// A rate in three digits and a scale.
fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 999_500.0 => format!("{:.2}M", rate / 1e6),
        rate if rate >= 999.5 => format!("{:.1}k", rate / 1e3),
        rate => format!("{rate:.0}"),
    }
}

fn span(seconds: f64) -> String {
    let seconds = std::time::Duration::try_from_secs_f64(seconds.max(0.0).round()).unwrap_or_default();
    humantime::format_duration(seconds).to_string()
}
