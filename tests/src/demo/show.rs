//! The demonstration's result for people: a table, a sentence, and the commands for a lab that was kept.

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};

use super::{Kind, Options, Outcome, Phase};
use crate::{binary, levee::Home, topology::Topology};

/// The phases side by side.
#[must_use]
pub fn table(outcome: &Outcome) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let mut header = vec![String::new()];
    header.extend(outcome.phases.iter().map(|phase| title(phase).to_owned()));
    table.set_header(header);
    let mut row = |name: &str, value: &dyn Fn(&Phase) -> String| {
        let mut cells = vec![name.to_owned()];
        cells.extend(outcome.phases.iter().map(value));
        table.add_row(cells);
    };
    row("customers served", &|phase| percent(phase.client_success_ratio));
    row("connections served per second", &|phase| {
        count(phase.client_connections_per_s)
    });
    row("connect, 99 of 100 within", &|phase| {
        format!("{} ms", milliseconds(phase.connect_p99_ms))
    });
    row("flood offered, packets per second", &|phase| {
        count(phase.flood_offered_pps)
    });
    row("  passed to the host", &|phase| count(phase.flood_passed_pps));
    row("  answered by Levee", &|phase| count(phase.flood_answered_pps));
    row("  dropped by Levee", &|phase| count(phase.flood_dropped_pps));
    row("  lost in the full receive ring", &|phase| count(lost(phase)));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let first_drop = match outcome.first_drop_ms {
        Some(ms) => format!("First flood packet to first drop or answer: {} ms.", milliseconds(ms)),
        None => "No flood packet was dropped or answered.".to_owned(),
    };
    format!("{table}\n{first_drop}")
}

fn title(phase: &Phase) -> &'static str {
    match phase.name {
        "calm" => "no flood",
        "flood_unprotected" => "flood, no agent",
        _ => "flood, with the agent",
    }
}

fn lost(phase: &Phase) -> f64 {
    (phase.flood_offered_pps - phase.flood_passed_pps - phase.flood_answered_pps - phase.flood_dropped_pps).max(0.0)
}

/// One plain sentence, or two, that say what the numbers say.
#[must_use]
pub fn conclusion(outcome: &Outcome, options: &Options) -> String {
    let [calm, bare, guarded] = &outcome.phases;
    let flood = match options.kind {
        Kind::Botnet => "a botnet",
        Kind::Spoofed => "random spoofed sources",
    };
    let facts = format!(
        "Under {} SYN/s from {flood}, {} of the customers were served without the agent (connecting took up to {} ms) and {} \
         with it (up to {} ms; {} ms in calm).",
        count(bare.flood_offered_pps),
        percent(bare.client_success_ratio),
        milliseconds(bare.connect_p99_ms),
        percent(guarded.client_success_ratio),
        milliseconds(guarded.connect_p99_ms),
        milliseconds(calm.connect_p99_ms)
    );
    format!("{facts} {}", verdict(calm, bare, guarded))
}

fn verdict(calm: &Phase, bare: &Phase, guarded: &Phase) -> &'static str {
    // A SYN that is lost is sent again after a second: whoever waits much longer than in calm has lost one.
    let slow_ms = f64::max(20.0, 5.0 * calm.connect_p99_ms);
    let served = |phase: &Phase| phase.client_success_ratio >= calm.client_success_ratio - 0.005;
    let quick = |phase: &Phase| phase.connect_p99_ms <= slow_ms;
    if guarded.flood_dropped_pps + guarded.flood_answered_pps == 0.0 {
        return "Levee did nothing: this flood stays below every threshold.";
    }
    match (served(guarded), quick(guarded)) {
        _ if served(bare) && quick(bare) => {
            "This flood is too small to hurt this machine even without the agent: try a higher --rate."
        }
        (true, true) if guarded.flood_answered_pps > guarded.flood_dropped_pps => {
            "Levee answered the flood at the interface, so that sources had to prove that they are real: customers did without \
             noticing, and of the flood nothing came back."
        }
        (true, true) => "Levee kept the customers in, and they noticed nothing.",
        (true, false) => "Levee kept the customers in, but some had to wait: packets were lost before Levee saw them.",
        (false, _) if guarded.client_success_ratio > bare.client_success_ratio => {
            "Levee helped, but customers were lost."
        }
        (false, _) => "Levee did not help here.",
    }
}

/// The address that is flooded and visited by hand: the lab's first.
const VISITED: &str = "198.51.100.10";

/// What to type in a lab that was kept.
pub fn commands(topology: &Topology) -> Result<String> {
    let home = Home::of(topology);
    let agent = format!(
        "ip netns exec {} {} --socket {}",
        topology.balancer().name(),
        binary::agent()?.display(),
        home.socket().display()
    );
    let lab = binary::lab()?;
    let lab = lab.display();
    let flood = format!(
        "ip netns exec {} {lab} flood --interface {} --sources spoofed --v6-percent 0 --target {VISITED} --rate 300000 --seconds 20",
        topology.attacker().name(),
        topology.flood_interface()
    );
    Ok([
        "The lab is still up. Look around:".to_owned(),
        format!("  {agent} status"),
        format!("  {agent} sources"),
        format!("  {agent} stats"),
        format!("  {agent} rung"),
        format!("  {agent} block-ip 203.0.113.7 --ttl 5m"),
        "Flood it again, and visit it as a customer:".to_owned(),
        format!("  {flood}"),
        format!("  ip netns exec {} {lab} load", topology.client().name()),
        format!("  ip netns exec {} curl -s http://{VISITED}/", topology.client().name()),
        "Take it down:".to_owned(),
        format!("  {lab} down {}", topology.lab().name()),
    ]
    .join("\n"))
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1}") } else { count(ms) }
}

/// A whole number with commas.
fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(name: &'static str, ratio: f64, p99: f64) -> Phase {
        Phase {
            name,
            client_success_ratio: ratio,
            client_connections_per_s: 2_000.0 * ratio,
            connect_p99_ms: p99,
            flood_offered_pps: 300_000.0,
            flood_passed_pps: 10_000.0,
            flood_answered_pps: 0.0,
            flood_dropped_pps: 280_000.0,
        }
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.0, 999.4, 1_000.0, 1_234_567.8].map(count),
            ["0", "999", "1,000", "1,234,568"]
        );
        assert_eq!([0.25, 9.96, 3_000.0].map(milliseconds), ["0.2", "10.0", "3,000"]);
    }

    #[test]
    fn the_conclusion_follows_the_numbers() {
        let calm = phase("calm", 1.0, 0.4);
        let says = |bare: f64, bare_p99: f64, guarded: f64, guarded_p99: f64| {
            verdict(
                &calm,
                &phase("flood_unprotected", bare, bare_p99),
                &phase("flood_protected", guarded, guarded_p99),
            )
        };
        assert!(says(0.6, 1_500.0, 1.0, 0.9).contains("noticed nothing"));
        assert!(says(1.0, 1_500.0, 1.0, 0.9).contains("noticed nothing"));
        assert!(says(1.0, 1_500.0, 1.0, 1_014.0).contains("had to wait"));
        assert!(says(0.6, 1_500.0, 0.9, 0.9).contains("helped, but"));
        assert!(says(0.6, 1_500.0, 0.2, 0.9).contains("did not help"));
        assert!(says(1.0, 1.0, 1.0, 1.0).contains("too small"));
        let idle = Phase {
            flood_dropped_pps: 0.0,
            ..phase("flood_protected", 1.0, 0.9)
        };
        let bare = phase("flood_unprotected", 0.6, 1_500.0);
        assert!(verdict(&calm, &bare, &idle).contains("did nothing"));
        let answering = Phase {
            flood_answered_pps: 290_000.0,
            flood_dropped_pps: 0.0,
            ..phase("flood_protected", 1.0, 0.9)
        };
        assert!(verdict(&calm, &bare, &answering).contains("prove that they are real"));
    }

    #[test]
    fn what_is_neither_passed_nor_answered_nor_dropped_was_lost() {
        let outcome = Outcome {
            phases: [
                phase("calm", 1.0, 0.4),
                phase("flood_unprotected", 0.5, 9.0),
                Phase {
                    flood_answered_pps: 7_000.0,
                    ..phase("flood_protected", 1.0, 0.9)
                },
            ],
            first_drop_ms: Some(2.25),
        };
        let text = table(&outcome);
        assert!(
            ["10,000", "280,000", "7,000", "3,000", "2.2 ms"]
                .iter()
                .all(|figure| text.contains(figure)),
            "{text}"
        );
    }
}
