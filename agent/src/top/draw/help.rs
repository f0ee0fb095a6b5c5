//! The help.

use ratatui::layout::Rect;

use super::cells::{Pen, left, piece};
use crate::top::{keys, look::Ink};

/// What the signs mean.
const SIGNS: [&str; 5] = [
    "LOAD        what arrives, as a part of what may; 21x is 21 times",
    "LAST 2 MIN  half height is the threshold, one step above is double",
    "RUNG        observe limit verify known blackhole upstream; * is forced",
    "HANDSH/s    customers that get in; - where this host forwards",
    "Later       agent attacks, agent report N, agent events --follow",
];

pub(super) fn draw(whole: Rect, pen: &mut Pen<'_>) {
    let lines = keys::HELP.iter().map(|(_, bindings)| bindings.len() + 1).sum::<usize>() + 1 + SIGNS.len();
    let width = 72.min(whole.width);
    let height = (lines as u16 + 2).min(whole.height);
    let area = Rect::new((whole.width - width) / 2, (whole.height - height) / 2, width, height);
    let inner = pen.frame(area, "Help: ? or Esc closes", Ink::Key);
    let mut line = 0;
    for (part, bindings) in keys::HELP {
        pen.row(inner, line, &[piece(part, Ink::Strong)]);
        line += 1;
        for binding in bindings {
            let keys = piece(format!("  {}", left(binding.keys, 18, pen.look)), Ink::Key);
            pen.row(inner, line, &[keys, piece(binding.what, Ink::Plain)]);
            line += 1;
        }
    }
    pen.row(inner, line, &[piece("Read", Ink::Strong)]);
    for (offset, text) in (1..).zip(SIGNS) {
        pen.row(inner, line + offset, &[piece(format!("  {text}"), Ink::Plain)]);
    }
}
