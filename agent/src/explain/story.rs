//! From the judge's answer and what is known besides to a story that can be read at 3 a.m. Pure: the daemon tells it from its
//! snapshot, the command line without a daemon from the maps alone.

use std::collections::BTreeMap;

use xdp_common::{Action, Reason};

use super::{Probe, advice, stages};
use crate::{
    clock::Now,
    control::api::{CpuView, ExplainView},
    decide::{KernelState, Refusal},
    detect::Meter,
    headers,
    overrides::Overrides,
    tables::{Explanation, LinkState, ListHead, Mode},
};

/// A CPU without a packet for so long has none of the traffic that is asked about, ns.
const BUSY_NS: u64 = 10_000_000_000;

/// What is known besides what the judge says.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The instant.
    pub now: Now,
    /// What the kernel enforces.
    pub kernel: &'a KernelState,
    /// Who asked for it; empty while no agent runs.
    pub overrides: &'a Overrides,
    /// Actor of what nobody asked for at run time.
    pub otherwise: &'a str,
    /// Counters and rates; none while no agent runs.
    pub meter: Option<&'a Meter>,
    /// The large lists.
    pub lists: &'a [ListHead],
    /// Where the program is attached.
    pub links: &'a [LinkState],
}

/// A question with its answer.
pub(super) struct Told<'a> {
    pub(super) probe: &'a Probe,
    pub(super) facts: &'a Facts<'a>,
    /// Of the CPU that speaks for all.
    pub(super) by: Explanation,
}

/// The story of a packet. `interface` is the one that it comes in by, if that matters.
///
/// # Errors
/// An interface that has no program, which looks at nothing; or no CPU that could be asked.
pub fn story(
    probe: &Probe,
    explanations: &[Explanation],
    interface: Option<&str>,
    facts: &Facts<'_>,
) -> Result<ExplainView, Refusal> {
    check_interface(interface, facts.links)?;
    let by = speaker(explanations, facts.now)
        .ok_or_else(|| Refusal::failed("no CPU could be asked about the packet".to_owned()))?;
    let told = Told { probe, facts, by };
    let (reason, mode) = (by.reason, facts.kernel.settings.mode);
    let attached = !facts.links.is_empty();
    Ok(ExplainView {
        packet: headers::describe(&probe.frame(0)),
        source: probe.source,
        destination: probe.destination,
        action: reason.action().name().to_owned(),
        reason: reason.name().to_owned(),
        describe: reason.describe().to_owned(),
        mode,
        carried_out: attached && mode == Mode::Enforce,
        summary: summary(reason, mode, attached),
        by_cpu: by_cpu(explanations, facts.now),
        stages: stages::of(&told),
        next_rung: advice::next_rung(&told),
        changes: advice::changes(&told),
        notes: notes(explanations, &told),
    })
}

fn check_interface(interface: Option<&str>, links: &[LinkState]) -> Result<(), Refusal> {
    let Some(name) = interface else { return Ok(()) };
    if links.iter().any(|link| link.interface == name) {
        return Ok(());
    }
    let attached: Vec<&str> = links.iter().map(|link| link.interface.as_str()).collect();
    Err(Refusal::invalid(
        format!("--interface {name:?} has no program of Levee: whatever comes in there passes unseen"),
        if attached.is_empty() {
            "no interface has one: `agent status` says why".to_owned()
        } else {
            format!(
                "it is attached to {}; add others to `interfaces` in the configuration",
                attached.join(", ")
            )
        },
    ))
}

fn is_busy(explanation: &Explanation, now: Now) -> bool {
    now.mono.0.saturating_sub(explanation.last_packet.0) < BUSY_NS
}

/// What most of the CPUs say that have packets now; of all, where none has. Of equals the one with the latest packet.
fn speaker(explanations: &[Explanation], now: Now) -> Option<Explanation> {
    let any_busy = explanations.iter().any(|explanation| is_busy(explanation, now));
    let counts = |explanation: &&Explanation| !any_busy || is_busy(explanation, now);
    let mut votes: BTreeMap<usize, usize> = BTreeMap::new();
    for explanation in explanations.iter().filter(counts) {
        *votes.entry(explanation.reason.index()).or_default() += 1;
    }
    let of = |explanation: &&Explanation| (votes[&explanation.reason.index()], explanation.last_packet);
    explanations.iter().filter(counts).max_by_key(of).copied()
}

fn by_cpu(explanations: &[Explanation], now: Now) -> Vec<CpuView> {
    let first = explanations.first().map(|first| first.reason);
    if explanations.iter().all(|explanation| Some(explanation.reason) == first) {
        return Vec::new();
    }
    let view = |explanation: &Explanation| CpuView {
        cpu: explanation.cpu,
        action: explanation.reason.action().name().to_owned(),
        reason: explanation.reason.name().to_owned(),
        busy: is_busy(explanation, now),
    };
    explanations.iter().map(view).collect()
}

fn summary(reason: Reason, mode: Mode, attached: bool) -> String {
    let (name, action) = (reason.name(), reason.action());
    if !attached {
        return format!(
            "passes unseen: no interface has the program. If one had, the verdict would be {} ({name})",
            action.name()
        );
    }
    match (action, mode) {
        (Action::Pass, _) => format!("passes ({name})"),
        (Action::Drop, Mode::Enforce) => format!("is dropped ({name})"),
        (Action::Reply, Mode::Enforce) => format!("is answered by Levee ({name})"),
        (Action::Drop, Mode::Monitor) => format!("passes, and is counted as dropped ({name}): the mode is monitor"),
        (Action::Reply, Mode::Monitor) => format!("passes, and is counted as answered ({name}): the mode is monitor"),
    }
}

fn notes(explanations: &[Explanation], told: &Told<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let differing: Vec<&Explanation> = explanations
        .iter()
        .filter(|explanation| explanation.reason != told.by.reason)
        .collect();
    if let Some(other) = differing.first() {
        notes.push(format!(
            "{} of {} CPUs say otherwise (CPU {}: {}): each has a part of every budget of its own, and which one a packet comes to is the \
             NIC's choice",
            differing.len(),
            explanations.len(),
            other.cpu,
            other.reason.name()
        ));
    }
    if told.by.reason == Reason::Retry {
        notes.push(
            "this is what a first SYN meets; sent again a second later, as clients do, it is answered".to_owned(),
        );
    }
    if told.by.reason.action() == Action::Reply {
        notes.push("once the client has answered, its source is known, and its next SYNs pass".to_owned());
    }
    notes
}
