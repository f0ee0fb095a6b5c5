//! The whole matrix for people: a line for each defence, a column for each flood.

use comfy_table::{Table, presets};
use serde::Serialize;

use super::cell::{Cell, Clients, RATES, Visits};
use crate::bench::customers::defence::Defence;

/// Everything that customers met.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    /// Connections per second of the closed load in calm, nothing attached; none if no row that needs it was asked for.
    pub calm_per_s: Option<f64>,
    /// The cells that were measured.
    pub cells: Vec<Cell>,
}

/// The matrix as text.
#[must_use]
pub(in crate::bench) fn table(matrix: &Matrix) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let rates: Vec<_> = RATES
        .iter()
        .filter(|rate| matrix.cells.iter().any(|cell| cell.rate == **rate))
        .collect();
    let mut header = vec!["customers".to_owned()];
    header.extend(rates.iter().map(|rate| rate.name.to_owned()));
    table.set_header(header);
    for (defence, clients) in lines(matrix) {
        let mut line = vec![title(defence, clients)];
        line.extend(rates.iter().map(|rate| {
            let of = |cell: &&Cell| cell.defence == defence && cell.clients == clients && cell.rate == **rate;
            matrix
                .cells
                .iter()
                .find(of)
                .map_or_else(String::new, |cell| text(cell, matrix.calm_per_s))
        }));
        table.add_row(line);
    }
    let share = matrix.calm_per_s.map_or_else(
        || "connections per second".to_owned(),
        |calm| format!("share of calm with nothing attached ({calm:.0}/s)"),
    );
    format!(
        "{table}\nFirst line: 2,000 connections per second, success / p50 / p99 ms from connect to the end of the answer. \
         Second line: 32 connections at a time, {share}.\n\
         In brackets: the flood meanwhile, million packets per second, as sent → as the load balancer's ring had room for. \
         Generator and customers share a core evenly."
    )
}

fn lines(matrix: &Matrix) -> Vec<(Defence, Clients)> {
    let mut lines = Vec::new();
    for cell in &matrix.cells {
        let line = (cell.defence, cell.clients);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn title(defence: Defence, clients: Clients) -> String {
    match (defence, clients) {
        (Defence::Levee, Clients::Known) => "Levee, known customers".to_owned(),
        (Defence::Levee, Clients::Unknown) => "Levee, unknown customers".to_owned(),
        _ => defence.title().to_owned(),
    }
}

fn text(cell: &Cell, calm_per_s: Option<f64>) -> String {
    let flood = |visits: &Visits| {
        if cell.rate.is_calm() {
            return String::new();
        }
        format!("  [{:.2} → {:.2}]", visits.offered_pps / 1e6, visits.received_pps / 1e6)
    };
    let (open, closed_per_s) = (&cell.open.report, cell.closed.report.connections_per_s);
    let closed = calm_per_s.map_or_else(
        || format!("{closed_per_s:.0}/s"),
        |calm| format!("{:.0} %", closed_per_s / calm * 100.0),
    );
    format!(
        "{:.1} % / {} / {}{}\n{closed}{}",
        open.success_ratio * 100.0,
        milliseconds(open.total_p50_ms),
        milliseconds(open.total_p99_ms),
        flood(&cell.open),
        flood(&cell.closed)
    )
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}
