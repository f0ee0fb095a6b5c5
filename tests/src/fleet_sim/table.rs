//! What a simulation came to, for people.

use comfy_table::{Table, presets};

use super::{Outcome, Phase};

/// All phases.
#[must_use]
pub fn table(outcome: &Outcome) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "phase",
        "s",
        "etcd % of a core",
        "RSS MiB",
        "of that its own",
        "proxies %",
        "largest MiB",
        "store MiB",
        "writes/s",
        "log/s",
        "events/s",
        "keep-alives/s",
        "broken",
        "known: p50, p99, worst ms",
        "this %",
    ]);
    for phase in &outcome.phases {
        let each = |count: f64| format!("{:.0}", count / phase.seconds);
        table.add_row([
            phase.name.to_owned(),
            format!("{:.1}", phase.seconds),
            format!("{:.1}", phase.cpu_percent),
            format!("{:.0}", phase.rss_mib),
            format!("{:.0}", phase.anonymous_mib),
            format!("{:.1}", phase.proxy_cpu_percent),
            format!("{:.0}", phase.proxy_rss_mib),
            format!("{:.1}", phase.store_mib),
            each(phase.writes as f64),
            each(phase.log_entries as f64),
            each(phase.events as f64),
            each(phase.keep_alives as f64),
            phase.broken.to_string(),
            known(phase),
            format!("{:.0}", phase.own_cpu_percent),
        ]);
    }
    let plan = &outcome.plan;
    let left = match outcome.left_behind.as_slice() {
        [] => "nothing".to_owned(),
        keys => keys.join(", "),
    };
    format!(
        "{table}\n{} nodes, {} addresses, leases of {} s, {} proxies, etcd {} {} {}\nleft behind: {left}",
        plan.nodes,
        plan.addresses,
        plan.lease_secs,
        plan.proxies,
        outcome.etcd,
        plan.environment.join(" "),
        plan.arguments.join(" ")
    )
}

/// One phase in a line, while it goes on.
pub(super) fn line(phase: &Phase) -> String {
    format!(
        "{}: {:.1} s, etcd {:.1} % of a core, {:.0} MiB, {} writes, {} events, {} broken; known {}",
        phase.name,
        phase.seconds,
        phase.cpu_percent,
        phase.rss_mib,
        phase.writes,
        phase.events,
        phase.broken,
        known(phase)
    )
}

fn known(phase: &Phase) -> String {
    phase.known.as_ref().map_or_else(
        || "-".to_owned(),
        |known| {
            let times = if known.times == known.wanted {
                "all".to_owned()
            } else {
                format!("{} of {}", known.times, known.wanted)
            };
            format!(
                "{times}: {:.0}, {:.0}, {:.0}",
                known.p50_ms, known.p99_ms, known.worst_ms
            )
        },
    )
}
