//! The host: all warnings in full, interfaces, tables, what happened.

use ratatui::layout::Rect;

use super::{
    cells::{Pen, Piece, left, piece, right, wrap},
    head,
};
use crate::{
    control::api::OverviewView,
    plain,
    top::{
        app::{Agent, App},
        look::Ink,
        time,
    },
};

pub(super) fn draw(app: &App, area: Rect, pen: &mut Pen<'_>) {
    let Some(overview) = &app.overview else { return };
    let mut lines = warnings(overview, usize::from(area.width).saturating_sub(6));
    lines.extend(interfaces(overview));
    lines.push(vec![piece(" Agent", Ink::Strong)]);
    lines.push(vec![piece(agent(app, overview), Ink::Plain)]);
    lines.push(vec![piece(" Tables of the kernel's side", Ink::Strong)]);
    lines.extend(tables(overview, pen));
    for (y, line) in (0..area.height).zip(&lines) {
        pen.row(area, y, line);
    }
    let hidden = lines.len().saturating_sub(usize::from(area.height));
    if hidden > 0 {
        let text = format!("   and {} lines more: `agent status` has all", hidden + 1);
        pen.row(
            area,
            area.height.saturating_sub(1),
            &[piece(format!("{text:120}"), Ink::Faint)],
        );
    }
}

fn warnings(overview: &OverviewView, room: usize) -> Vec<Vec<Piece>> {
    let mut lines = vec![vec![piece(" Warnings", Ink::Strong)]];
    if overview.warnings.is_empty() {
        lines.push(vec![piece("   none", Ink::Good)]);
    }
    for warning in &overview.warnings {
        for (index, text) in wrap(warning, room).into_iter().enumerate() {
            let sign = if index == 0 { " ! " } else { "   " };
            lines.push(vec![piece(sign, Ink::Caution), piece(text, Ink::Caution)]);
        }
    }
    lines
}

fn interfaces(overview: &OverviewView) -> Vec<Vec<Piece>> {
    let host = &overview.host;
    let mut lines = vec![vec![piece(" Interfaces", Ink::Strong)]];
    for link in &host.interfaces {
        let mut pieces = vec![piece(format!("   {} {}", link.interface, link.mode), Ink::Plain)];
        if let Some(warning) = &link.warning {
            pieces.push(piece(format!("  ! {warning}"), Ink::Caution));
        }
        lines.push(pieces);
    }
    let lost = plain::rate(host.receive_drops_pps);
    let busy = host.softirq * 100.0;
    let ink = if host.saturated { Ink::Alarm } else { Ink::Plain };
    lines.push(vec![piece(
        format!("   {lost} packets/s are lost before they can be judged"),
        ink,
    )]);
    lines.push(vec![piece(
        format!("   {busy:.0} % of its time the busiest CPU spends in softirqs"),
        ink,
    )]);
    if host.saturated {
        lines.push(vec![piece(
            "   SATURATED: this host cannot keep up; ask the network above",
            Ink::AlarmSign,
        )]);
    }
    lines
}

fn agent(app: &App, overview: &OverviewView) -> String {
    let answers = match &app.agent {
        Agent::Asked => "is asked".to_owned(),
        Agent::Answers => "answers".to_owned(),
        Agent::Away { why, .. } => format!("does not answer: {why}"),
    };
    let ledger = match &overview.ledger.problem {
        None => "healthy".to_owned(),
        Some(problem) => problem.clone(),
    };
    format!(
        "   {} up {}, {answers}; ledger {}: {ledger}",
        overview.version,
        time::ago(overview.since, app.now.wall),
        overview.ledger.path.display()
    )
}

fn tables(overview: &OverviewView, pen: &Pen<'_>) -> Vec<Vec<Piece>> {
    // Those that can become full, the fullest first.
    let mut maps: Vec<_> = overview.host.maps.iter().filter(|map| map.used.is_some()).collect();
    maps.sort_by(|a, b| head::fill(b).total_cmp(&head::fill(a)));
    let row = |map: &&crate::tables::MapFill| {
        let share = head::fill(map);
        let text = format!("{} of {}", map.used.unwrap_or(0), map.capacity);
        vec![
            piece(format!("   {}", left(&map.name, 24, pen.look)), Ink::Plain),
            piece(right(&text, 22, pen.look), Ink::Plain),
            piece(
                right(&plain::share(share), 9, pen.look),
                if share >= 0.8 { Ink::Caution } else { Ink::Faint },
            ),
        ]
    };
    maps.iter().map(row).collect()
}
