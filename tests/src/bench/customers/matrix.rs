//! The whole matrix for people: a line for each defence, a column for each flood.

use comfy_table::{Table, presets};
use serde::Serialize;

use super::cell::{Cell, Clients, RATES};
use crate::bench::customers::defence::Defence;

/// Everything that customers met.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    /// Connections per second of the closed load in calm, nothing attached.
    pub calm_per_s: f64,
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
    format!(
        "{table}\nIn each cell: connections at a fixed rate, success / p50 / p99 ms from connect to the end of the answer; \
         connections 32 at a time, share of calm without anything attached ({:.0}/s); flood offered, million packets per \
         second, and how many of them the load balancer's ring had room for.",
        matrix.calm_per_s
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

fn text(cell: &Cell, calm_per_s: f64) -> String {
    let loads = format!(
        "{:.1} % / {} / {}\n{:.0} %",
        cell.open.success_ratio * 100.0,
        milliseconds(cell.open.total_p50_ms),
        milliseconds(cell.open.total_p99_ms),
        cell.closed.connections_per_s / calm_per_s * 100.0
    );
    if cell.rate.is_calm() {
        return loads;
    }
    format!(
        "{loads}; {:.2} M, {:.2} M",
        cell.offered_pps / 1e6,
        cell.received_pps / 1e6
    )
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}
