//! Whether addresses can be put back.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::not_protected;
use crate::{
    config::prefix,
    control::api::{SafeAddressView, SafeFleetView, SafeView},
    decide::{
        Refusal,
        safe::{Answer, Case, Others, judge},
        standing::stands,
    },
    snapshot::Snapshot,
};

/// The answer for every protected address of a prefix, and for all of them together.
///
/// # Errors
/// A text that is neither an address nor a prefix, or holds no protected address.
pub fn safe(snapshot: &Snapshot, target: &str) -> Result<SafeView, Refusal> {
    let net = prefix::parse(target)?;
    let answers = answers(snapshot, net);
    if answers.is_empty() {
        // "No" has the exit code of a refusal; this is neither yes nor no.
        let refusal = not_protected(&prefix::display(net));
        return Err(Refusal::invalid(refusal.error, refusal.hint.unwrap_or_default()));
    }
    let dangers: Vec<&Answer> = answers.iter().filter(|answer| !answer.safe).collect();
    let why = match (dangers.first(), answers.len()) {
        (None, 1) => answers[0].why.clone(),
        (None, several) => format!("all {several} addresses are calm"),
        (Some(one), 1) => one.why.clone(),
        (Some(first), several) => format!(
            "{} of {several} addresses are not calm, such as {}: {}",
            dangers.len(),
            first.address,
            first.why
        ),
    };
    Ok(SafeView {
        target: prefix::display(net),
        safe: dangers.is_empty(),
        why,
        residual_pps: answers.iter().map(|answer| answer.residual_pps).sum(),
        addresses: answers.iter().map(view).collect(),
    })
}

/// The answer for one protected address.
pub(super) fn safe_address(snapshot: &Snapshot, address: IpAddr) -> SafeAddressView {
    view(&answer(snapshot, address))
}

fn answers(snapshot: &Snapshot, net: IpNet) -> Vec<Answer> {
    let inside = snapshot.kernel.addresses.range(net.network()..=net.broadcast());
    inside.map(|(address, _)| answer(snapshot, *address)).collect()
}

fn answer(snapshot: &Snapshot, address: IpAddr) -> Answer {
    let state = &snapshot.kernel.addresses[&address];
    let verify = snapshot.meter.of(address).and_then(|found| found.verify);
    let policy = snapshot
        .config
        .protected
        .get(&address)
        .map(|protected| protected.ladder);
    judge(&Case {
        now: snapshot.now,
        address,
        rung: stands(state, verify, &snapshot.overrides, snapshot.now.mono),
        watched: snapshot.watched.get(&address),
        cooldown: policy.unwrap_or_default().calm,
        others: others(snapshot, address),
    })
}

fn others(snapshot: &Snapshot, address: IpAddr) -> Others {
    let fleet = &snapshot.fleet;
    if !fleet.is_on() {
        return Others::default();
    }
    let state = &snapshot.kernel.addresses[&address];
    Others {
        elsewhere: fleet.elsewhere(address),
        threshold: Some(f64::from(state.limit.syn_rate.per_second())),
        is_cut_off: !fleet.is_up(),
    }
}

fn fleet_view(others: &Others) -> Option<SafeFleetView> {
    others.threshold.map(|_| SafeFleetView {
        cut_off: others.is_cut_off,
        unproven_pps: others.elsewhere.unproven,
        nodes: others.elsewhere.nodes,
        attacked_nodes: others.elsewhere.attacked,
    })
}

fn view(answer: &Answer) -> SafeAddressView {
    SafeAddressView {
        address: answer.address,
        safe: answer.safe,
        why: answer.why.clone(),
        rung: answer.rung.name().to_owned(),
        residual_pps: answer.residual_pps,
        seconds_since_excess: answer.since_excess.map(|since| since.as_secs_f64()),
        cooldown_left_seconds: Duration::as_secs_f64(&answer.cooldown_left),
        attack: answer.attack,
        fleet: fleet_view(&answer.others),
    }
}
