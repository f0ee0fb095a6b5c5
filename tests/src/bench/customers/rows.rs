//! The figures of a cell, and what is asked of them.

use super::{
    cell::{Cell, Clients, Rate},
    defence::Defence,
};
use crate::bench::row::{Row, Target};

/// What is read from each cell.
const MEASURES: [&str; 6] = [
    OFFERED[0],
    "open_success",
    "open_p50",
    "open_p99",
    OFFERED[1],
    "closed_share",
];

/// The flood while customers came at a fixed rate, and while they came one after another.
const OFFERED: [&str; 2] = ["open_offered", "closed_offered"];

/// Share of the rate that a flood must have had while customers came at a fixed rate.
const OFFERED_SHARE: f64 = 0.95;

/// The names of a cell's rows.
pub(super) fn names(defence: Defence, clients: Clients, rate: Rate) -> Vec<String> {
    let measures = MEASURES
        .iter()
        .filter(|measure| !(rate.is_calm() && OFFERED.contains(measure)));
    measures.map(|measure| name(defence, clients, rate, measure)).collect()
}

/// Levee against unknown customers is what counts most, so it has the plain name.
fn name(defence: Defence, clients: Clients, rate: Rate, measure: &str) -> String {
    let who = match (defence, clients) {
        (Defence::Levee, Clients::Unknown) => "",
        (Defence::Levee, Clients::Known) => "_known",
        (Defence::Ceiling, _) => "_ceiling",
        (Defence::Kernel, _) => "_kernel",
        (Defence::Synproxy, _) => "_synproxy",
        (Defence::Hashlimit, _) => "_hashlimit",
    };
    format!("customers_{}_{measure}{who}", rate.name)
}

/// A cell's rows. `calm_per_s`: connections per second of the closed load in calm, with nothing attached; without it there is
/// no row that compares with it.
pub(super) fn rows(cell: &Cell, calm_per_s: Option<f64>) -> Vec<Row> {
    let (open, closed) = (&cell.open.report, &cell.closed.report);
    let mut rows = Vec::new();
    for measure in MEASURES {
        let name = name(cell.defence, cell.clients, cell.rate, measure);
        let target = target(cell, measure);
        rows.push(match measure {
            "open_offered" | "closed_offered" if cell.rate.is_calm() => continue,
            "open_offered" => Row::absolute(name, cell.open.offered_pps, "packets/s", target),
            "closed_offered" => Row::absolute(name, cell.closed.offered_pps, "packets/s", target),
            "open_success" => Row::absolute(name, open.success_ratio * 100.0, "%", target),
            "open_p50" => Row::absolute(name, open.total_p50_ms, "ms", target),
            "open_p99" => Row::absolute(name, open.total_p99_ms, "ms", target),
            _ => match calm_per_s {
                Some(calm) => Row::compared(name, closed.connections_per_s, "connections/s", calm, target),
                None => continue,
            },
        });
    }
    rows
}

/// What Levee is held to; comparators are for orientation.
fn target(cell: &Cell, measure: &str) -> Target {
    use Clients::{Known, Unknown};
    use Target::{AtLeast, AtMost, Orientation, RatioAtLeast};
    if cell.defence != Defence::Levee {
        return Orientation;
    }
    match (cell.rate.name, cell.clients, measure) {
        (_, _, "open_offered") => cell
            .rate
            .pps
            .map_or(Orientation, |pps| AtLeast(f64::from(pps) * OFFERED_SHARE)),
        ("300k", _, "open_success") => AtLeast(100.0),
        ("300k", _, "open_p99") => AtMost(2.0),
        ("300k", _, "closed_share") => RatioAtLeast(0.60),
        ("1m", _, "open_success") => AtLeast(99.9),
        ("1m", _, "open_p99") => AtMost(5.0),
        ("1m", _, "closed_share") => RatioAtLeast(0.40),
        ("2m", _, "open_success") => AtLeast(99.5),
        ("2m", _, "open_p50") => AtMost(2.0),
        ("4m", Unknown, "open_success") => AtLeast(97.0),
        ("4m", Known, "open_success") => AtLeast(99.0),
        ("4m", Known, "open_p50") => AtMost(5.0),
        ("unlimited", Unknown, "open_success") => AtLeast(90.0),
        ("unlimited", Known, "open_success") => AtLeast(95.0),
        ("unlimited", Known, "open_p50") => AtMost(20.0),
        _ => Orientation,
    }
}
