//! An event in a sentence for people.

use super::{Event, What};
use crate::fleet::Elsewhere;

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
            vectors,
            syn,
            packets,
            elsewhere,
            ..
        } => {
            let vectors: Vec<&str> = vectors.iter().map(|vector| vector.name()).collect();
            let vectors = if vectors.is_empty() {
                String::new()
            } else {
                format!(" ({})", vectors.join(", "))
            };
            let elsewhere = elsewhere.as_ref().map_or_else(String::new, at_other_nodes);
            let (syn, packets) = (rate(*syn), rate(*packets));
            format!("{attack} on {subject} began{vectors}: {syn} SYN/s, {packets} packets/s{elsewhere}.")
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
        What::UpstreamAnnounced { sessions } => format!(
            "The network above is asked to drop what goes to {subject}: announced to {}.",
            sessions.join(", ")
        ),
        What::UpstreamWithdrawn => format!("The network above is not asked any more to drop what goes to {subject}."),
        What::UpstreamRefused { why } => {
            format!("The network above is not asked to drop what goes to {subject}: {why}.")
        }
        What::FleetCutOff { why } => {
            format!("Cut off from the fleet: {why}. This node goes on with what it knows.")
        }
        What::FleetBack { seconds } => format!("With the fleet again after {}.", span(*seconds)),
        What::FleetLost { about, by } => {
            format!("What was decided here about {about} while cut off does not hold: {by} decided later.")
        }
        What::FleetGarbage { what } => format!("Ignored in the fleet's etcd: {what}"),
        What::FleetHeldBack { about, why } => {
            format!("Decided for all nodes, and not done here: {about}, because {why}. --force does it here too.")
        }
        What::FleetAttack {
            unproven,
            threshold,
            nodes,
        } => format!(
            "{subject} is attacked, thinly at each of {nodes} nodes: {} SYN/s in sum that nobody completes, and its threshold is {} SYN/s.",
            rate(*unproven),
            rate(*threshold)
        ),
        What::InterfaceLost { interface, why } => {
            format!("{interface} is not protected: {why}. The agent attaches again by itself as soon as it can.")
        }
        What::InterfaceBack { interface, seconds } => {
            format!("{interface} is protected again; it was not for {seconds:.1} s at most.")
        }
        What::Notice { text } => text.clone(),
    }
}

fn at_other_nodes(elsewhere: &Elsewhere) -> String {
    let nodes = if elsewhere.nodes == 1 {
        "another node".to_owned()
    } else {
        format!("{} other nodes", elsewhere.nodes)
    };
    let unproven = rate(elsewhere.unproven);
    format!(" here, and {unproven} SYN/s that nobody completes at {nodes}")
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
