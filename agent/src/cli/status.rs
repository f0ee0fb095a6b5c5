//! `agent status`.

use super::{
    context::Context,
    direct::{Direct, NOT_RUNNING},
    mode, print, sources,
};
use crate::{
    control::api::{DetectionView, LargeListView, RatesView, StatusView},
    decide::say,
    detect::Attack,
    tables::{MapFill, Mode},
};

/// Show everything at a glance: mode, interfaces, what is under attack, what is dropped, what is wrong
///
/// Works while the agent is dead, from the kernel's maps alone.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// A map from this share on is worth a line.
const NEARLY_FULL: f64 = 0.8;

pub(super) async fn run(Args {}: Args, context: &Context) -> anyhow::Result<()> {
    let status: StatusView = match context.agent_if_running().await? {
        Some(agent) => agent.get("/v1/status", &()).await?,
        None => Direct::to_read(context).await?.status()?,
    };
    if context.json {
        return print::json(&status);
    }
    for (label, text) in lines(&status) {
        println!("{label:<11} {}", print::clean(&text));
    }
    Ok(())
}

fn lines(status: &StatusView) -> Vec<(&'static str, String)> {
    let mut lines = vec![("Agent", daemon(status)), ("Mode", mode::sentence(&status.mode))];
    lines.push(("Interfaces", interfaces(status)));
    let unprotected = status.unprotected.iter();
    lines.extend(unprotected.map(|off| {
        let since = say::instant(off.since);
        ("Unprotected", format!("{} since {since}: {}", off.interface, off.why))
    }));
    let groups = match status.groups {
        0 => String::new(),
        1 => ", 1 group".to_owned(),
        several => format!(", {several} groups"),
    };
    lines.push(("Protected", format!("{} addresses{groups}", status.protected)));
    if let Some(detection) = &status.detection {
        lines.extend(detected(detection));
    }
    if let Some(fleet) = &status.fleet {
        let node = fleet.node.as_deref().unwrap_or_default();
        lines.push(("Fleet", super::fleet::sentence(fleet, node)));
    }
    lines.push(("Over rate", say::some_of(&status.over_rate)));
    lines.push(("Verifying", say::some_of(&status.verifying)));
    if status.groups > 0 {
        lines.push(("Groups", verifying_groups(status)));
    }
    lines.push(("Blackholed", say::some_of(&status.blackholed)));
    lines.push((
        "Sources",
        format!("{} blocked, {} allowed", status.blocked, status.allowed),
    ));
    lines.extend(status.lists.iter().map(|list| ("List", one_list(list))));
    if let Some(now) = &status.rates {
        lines.push(("Now", rates(now, status.mode.mode)));
    }
    if let Some(all) = status.sources.as_ref().filter(|all| all.traffic.packets_pps > 0.0) {
        lines.push(("From", sources::all(all)));
    }
    if !status.busiest.is_empty() {
        lines.push(("Busiest", busiest(status)));
    }
    if let Some(daemon) = &status.daemon {
        let health = daemon.ledger.problem.as_deref().unwrap_or("healthy");
        lines.push(("Ledger", format!("{}: {health}", daemon.ledger.path.display())));
        lines.extend(daemon.privileges.iter().map(|kept| ("Rights", kept.sentence())));
    }
    lines.extend(
        status
            .maps
            .iter()
            .filter_map(nearly_full)
            .map(|text| ("Nearly full", text)),
    );
    lines.extend(status.warnings.iter().map(|warning| ("Warning", warning.clone())));
    lines
}

fn interfaces(status: &StatusView) -> String {
    if status.interfaces.is_empty() {
        return "none: nothing is protected".to_owned();
    }
    let attached = status.interfaces.iter();
    let named: Vec<String> = attached
        .map(|link| format!("{} ({})", link.interface, link.mode))
        .collect();
    named.join(", ")
}

fn verifying_groups(status: &StatusView) -> String {
    if status.groups_verifying.is_empty() {
        return "none over its SYN rate".to_owned();
    }
    let verifying: Vec<String> = status.groups_verifying.iter().map(ToString::to_string).collect();
    format!(
        "over their SYN rate, each SYN must prove itself: {}",
        verifying.join(", ")
    )
}

fn busiest(status: &StatusView) -> String {
    let prefixes = status.busiest.iter().map(|view| {
        format!(
            "{} ({} packets/s, {})",
            view.prefix,
            print::rate(view.traffic.packets_pps),
            print::share(view.traffic.share)
        )
    });
    prefixes.collect::<Vec<_>>().join(", ")
}

fn detected(detection: &DetectionView) -> Vec<(&'static str, String)> {
    let mut lines: Vec<_> = detection
        .attacks
        .iter()
        .map(|found| ("Attack", attack(found)))
        .collect();
    match (detection.enabled, lines.is_empty()) {
        (false, _) => lines.push(("Attack", "not looked for: detect.enabled is false".to_owned())),
        (true, true) => lines.push(("Attack", "none".to_owned())),
        (true, false) => {}
    }
    if detection.saturated {
        let lost = print::rate(detection.receive_drops_pps);
        let busy = print::share(detection.softirq);
        let text = format!(
            "{lost} packets/s lost before they can be judged, the busiest CPU is {busy} busy with packets: ask upstream"
        );
        lines.push(("Saturated", text));
    }
    lines
}

fn attack(found: &Attack) -> String {
    let vectors: Vec<&str> = found.vectors.iter().map(|vector| vector.name()).collect();
    let impact = if found.impact_seconds >= 1.0 {
        format!(", customers hurt for {:.0} s", found.impact_seconds)
    } else {
        String::new()
    };
    format!(
        "{} since {}: {}, up to {} packets/s and {} SYN/s{impact} (number {})",
        found.subject,
        say::instant(found.started),
        vectors.join(", "),
        print::rate(found.peaks.packets),
        print::rate(found.peaks.syn),
        found.id
    )
}

fn one_list(list: &LargeListView) -> String {
    let prefixes = match list.v4 + list.v6 {
        1 => "1 prefix".to_owned(),
        count => format!("{count} prefixes"),
    };
    let read = list.read.map_or_else(
        || "never read".to_owned(),
        |read| format!("read {}", say::instant(read)),
    );
    format!(
        "{} {}: {prefixes}, {} packets, {read}",
        list.action, list.name, list.packets
    )
}

fn daemon(status: &StatusView) -> String {
    match &status.daemon {
        None => NOT_RUNNING.to_owned(),
        Some(daemon) => format!(
            "{} running since {} (pid {}, {})",
            daemon.version,
            say::instant(daemon.since),
            daemon.pid,
            daemon.config.display()
        ),
    }
}

fn rates(now: &RatesView, mode: Mode) -> String {
    let dropped = match mode {
        Mode::Enforce => "dropped",
        Mode::Monitor => "would be dropped",
    };
    let answered = match mode {
        Mode::Enforce => "answered",
        Mode::Monitor => "would be answered",
    };
    format!(
        "{} SYN/s, {} handshakes/s completed here, {} packets/s pass, {} packets/s {dropped}, {} packets/s {answered}",
        print::rate(now.syn_pps),
        print::rate(now.handshakes_pps),
        print::rate(now.pass_pps),
        print::rate(now.drop_pps),
        print::rate(now.reply_pps)
    )
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn nearly_full(fill: &MapFill) -> Option<String> {
    let used = fill.used?;
    let share = used as f64 / fill.capacity.max(1) as f64;
    (share >= NEARLY_FULL).then(|| format!("{}: {used} of {} entries", fill.name, fill.capacity))
}
