//! What stands below the list or beside it: verdicts by reason, prefixes that send most, what happened.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    cells::{Pen, left, piece, right, wrap},
    plan::Plan,
};
use crate::{
    control::api::{AllSourcesView, OverviewView, PrefixView, ReasonRate},
    detect::Severity,
    plain,
    top::{app::App, look::Ink},
};

/// From so many columns on there is room for what happened, too.
const THREE: u16 = 110;

pub(super) fn draw(app: &App, plan: &Plan, pen: &mut Pen<'_>) {
    let Some(overview) = &app.overview else { return };
    let area = plan.panels;
    if area.height < 3 {
        return;
    }
    if plan.beside {
        let parts = [Constraint::Fill(3), Constraint::Fill(3), Constraint::Fill(4)];
        let [top, middle, bottom] = Layout::vertical(parts).areas(area);
        verdicts(&overview.reasons, top, pen);
        prefixes(overview, middle, pen);
        happened(app, bottom, pen);
    } else if area.width >= THREE {
        let parts = [Constraint::Length(40), Constraint::Length(42), Constraint::Fill(1)];
        let [first, second, third] = Layout::horizontal(parts).areas(area);
        verdicts(&overview.reasons, first, pen);
        prefixes(overview, second, pen);
        happened(app, third, pen);
    } else {
        let [first, second] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(41)]).areas(area);
        verdicts(&overview.reasons, first, pen);
        prefixes(overview, second, pen);
    }
}

/// Verdicts by reason, most first, with a bar for the eye.
pub(super) fn verdicts(reasons: &[ReasonRate], area: Rect, pen: &mut Pen<'_>) {
    pen.heading(area, "Verdicts by reason, packets/s");
    if reasons.is_empty() {
        return pen.row(area, 1, &[piece(" nothing arrives", Ink::Faint)]);
    }
    let all: f64 = reasons.iter().map(|reason| reason.pps).sum();
    let name = usize::from(area.width).saturating_sub(22).clamp(8, 30);
    for (line, reason) in (1..area.height).zip(reasons) {
        let ink = match reason.action.as_str() {
            "drop" => Ink::Alarm,
            "reply" => Ink::Caution,
            _ => Ink::Good,
        };
        let share = if all > 0.0 { reason.pps / all * 100.0 } else { 0.0 };
        let pieces = [
            piece(format!(" {}", left(&reason.action, 6, pen.look)), ink),
            piece(left(&reason.reason, name, pen.look), Ink::Plain),
            piece(right(&plain::rate(reason.pps), 8, pen.look), Ink::Strong),
            piece(right(&format!("{share:.0}%"), 5, pen.look), Ink::Faint),
        ];
        pen.row(area, line, &pieces);
    }
}

fn prefixes(overview: &OverviewView, area: Rect, pen: &mut Pen<'_>) {
    pen.heading(area, &format!("Who sends: {}", many(&overview.sources)));
    if overview.prefixes.is_empty() {
        return pen.row(area, 1, &[piece(" nobody", Ink::Faint)]);
    }
    for (line, view) in (1..area.height).zip(&overview.prefixes) {
        prefix(view, area, line, pen);
    }
}

fn prefix(view: &PrefixView, area: Rect, line: u16, pen: &mut Pen<'_>) {
    let name = usize::from(area.width).saturating_sub(22).clamp(10, 30);
    let listed = view.listed.map(|action| action.to_string()).unwrap_or_default();
    let pieces = [
        piece(
            format!(" {}", left(&view.prefix.to_string(), name, pen.look)),
            Ink::Plain,
        ),
        piece(right(&plain::rate(view.traffic.packets_pps), 8, pen.look), Ink::Strong),
        piece(
            right(&format!("{:.0}%", view.traffic.share * 100.0), 5, pen.look),
            Ink::Faint,
        ),
        piece(format!(" {listed}"), Ink::Caution),
    ];
    pen.row(area, line, &pieces);
}

/// How many sources there are, and whether a few of them send most: forged ones are many, and none is heavy.
pub(super) fn many(sources: &AllSourcesView) -> String {
    let distinct = sources.distinct.map_or_else(|| "?".to_owned(), plain::rate);
    format!("{distinct} sources, top ten {:.0}%", sources.top10_share * 100.0 + 0.0)
}

fn happened(app: &App, area: Rect, pen: &mut Pen<'_>) {
    pen.heading(area, "What happened, latest first");
    if app.events.is_empty() {
        return pen.row(area, 1, &[piece(" nothing in the last hour", Ink::Faint)]);
    }
    let mut line = 1;
    let room = usize::from(area.width).saturating_sub(11).max(10);
    for event in app.events.iter().rev() {
        let (sign, ink) = match event.severity {
            Severity::Critical => ("!", Ink::Alarm),
            Severity::Warning => ("+", Ink::Caution),
            Severity::Info => (" ", Ink::Plain),
        };
        let at = app.clock(event.event.at);
        for (part, text) in wrap(&event.sentence, room).iter().enumerate() {
            if line >= area.height {
                return;
            }
            let at = if part == 0 {
                format!("{sign}{at} ")
            } else {
                " ".repeat(at.len() + 2)
            };
            pen.row(area, line, &[piece(at, ink), piece(text, ink)]);
            line += 1;
        }
    }
}
