//! Drawing: state in, cells out. Nothing here asks anybody or remembers anything.

mod address;
mod cells;
mod chart;
mod dialog;
mod head;
mod help;
mod host;
mod list;
mod panels;
pub mod plan;
mod talkers;

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    app::{App, View},
    look::Ink,
};
use cells::{Pen, piece};

/// Draws everything.
pub fn draw(app: &App, buffer: &mut Buffer) {
    let plan = app.plan();
    let pen = &mut Pen::new(buffer, app.setting.look);
    if plan.too_small() {
        return too_small(app, pen);
    }
    head::draw(app, &plan, pen);
    match app.view {
        View::Addresses => {
            list::draw(app, plan.body, pen);
            panels::draw(app, &plan, pen);
        }
        View::Address(address) => address::draw(app, address, plan.body, pen),
        View::Sources | View::Prefixes => talkers::draw(app, plan.body, pen),
        View::Host => host::draw(app, plan.body, pen),
    }
    foot(app, plan.foot, pen);
    if let Some(dialog) = &app.dialog {
        dialog::draw(app, dialog, plan.whole, pen);
    }
    if app.help {
        help::draw(plan.whole, pen);
    }
}

fn too_small(app: &App, pen: &mut Pen<'_>) {
    let (columns, rows) = app.size;
    let whole = Rect::new(0, 0, columns, rows);
    let (wide, high) = plan::SMALLEST;
    let lines = [
        format!("This terminal has {columns} columns and {rows} rows."),
        format!("agent top needs {wide} and {high}: make it larger."),
        "q quits; `agent status` needs no room.".to_owned(),
    ];
    for (y, line) in (0..).zip(lines) {
        pen.row(whole, y, &[piece(line, Ink::Plain)]);
    }
    let attacks = app.overview.as_ref().map_or(0, |overview| overview.attacks.len());
    if attacks > 0 {
        pen.row(whole, 3, &[piece(format!(" ATTACKS: {attacks} "), Ink::AlarmSign)]);
    }
}

/// The last line: what was just said, the filter that is being typed, or what keys there are.
fn foot(app: &App, area: Rect, pen: &mut Pen<'_>) {
    if app.filtering {
        let typed = app.filter.value();
        let cursor = piece(" ", Ink::Bar);
        let label = piece(" Filter: ", Ink::Strong);
        let hint = piece(
            "  part of an address, a prefix, a rung, or attack; Enter keeps it, Esc takes it away",
            Ink::Faint,
        );
        pen.row(area, 0, &[label, piece(typed, Ink::Plain), cursor, hint]);
        return;
    }
    if let Some(note) = app.note() {
        let ink = if note.bad { Ink::Alarm } else { Ink::Strong };
        let sign = if note.bad { " ! " } else { " > " };
        pen.row(area, 0, &[piece(sign, ink), piece(&note.text, ink)]);
        return;
    }
    let keys: &[(&str, &str)] = match app.view {
        View::Addresses => &[
            ("Enter", "look"),
            ("r", "rung"),
            ("b", "block"),
            ("u", "unblock"),
            ("s", "sort"),
            ("/", "filter"),
            ("?", "help"),
            ("q", "quit"),
            ("Tab", "views"),
        ],
        View::Address(_) => &[
            ("Esc", "back"),
            ("r", "rung"),
            ("b", "block"),
            ("u", "unblock"),
            ("?", "help"),
            ("q", "quit"),
        ],
        View::Sources | View::Prefixes => &[
            ("Esc", "back"),
            ("b", "block"),
            ("u", "unblock"),
            ("Tab", "views"),
            ("?", "help"),
            ("q", "quit"),
        ],
        View::Host => &[("Esc", "back"), ("Tab", "views"), ("?", "help"), ("q", "quit")],
    };
    let mut pieces = vec![piece(" ", Ink::Plain)];
    let mut room = usize::from(area.width).saturating_sub(1);
    for (key, what) in keys {
        // Half a hint is none.
        let Some(rest) = room.checked_sub(key.len() + what.len() + 3) else {
            break;
        };
        room = rest;
        pieces.extend([piece(*key, Ink::Key), piece(format!(" {what}  "), Ink::Faint)]);
    }
    pen.row(area, 0, &pieces);
}
