//! Pieces of text on lines of cells. Every piece goes through [`Look::text`] here, so nothing reaches the terminal that it would obey.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Clear, Widget as _},
};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::top::look::{Ink, Look};

/// Text in one ink.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    text: String,
    ink: Ink,
}

/// A piece.
pub(super) fn piece(text: impl Into<String>, ink: Ink) -> Piece {
    Piece { text: text.into(), ink }
}

/// Draws into a buffer.
#[derive(Debug)]
pub(super) struct Pen<'a> {
    buffer: &'a mut Buffer,
    pub(super) look: Look,
}

impl<'a> Pen<'a> {
    pub(super) const fn new(buffer: &'a mut Buffer, look: Look) -> Self {
        Self { buffer, look }
    }

    /// One line of an area, from its left edge on. What is too long ends in a sign that says so.
    pub(super) fn row(&mut self, area: Rect, line: u16, pieces: &[Piece]) {
        let area = area.intersection(self.buffer.area);
        if line >= area.height {
            return;
        }
        let mut room = usize::from(area.width);
        let mut spans = Vec::with_capacity(pieces.len());
        for Piece { text, ink } in pieces {
            let text = cut(&self.look.text(text), room, self.look);
            room -= text.width();
            spans.push(Span::styled(text, self.look.style(*ink)));
        }
        self.buffer
            .set_line(area.x, area.y + line, &Line::from(spans), area.width);
    }

    /// The same, with more pieces at the right edge, where there is room for them.
    pub(super) fn row_with_end(&mut self, area: Rect, line: u16, pieces: &[Piece], end: &[Piece]) {
        let length: usize = end.iter().map(|piece| piece.text.width()).sum();
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        if length + 20 > area.width {
            return self.row(area, line, pieces);
        }
        let left = Rect {
            width: area.width - length,
            ..area
        };
        let right = Rect {
            x: area.x + area.width - length,
            width: length,
            ..area
        };
        self.row(left, line, pieces);
        self.row(right, line, end);
    }

    /// Puts a whole line into an ink, on top of those that its pieces have.
    pub(super) fn tint(&mut self, area: Rect, line: u16, ink: Ink) {
        if line < area.height {
            let row = Rect::new(area.x, area.y + line, area.width, 1);
            self.buffer
                .set_style(row.intersection(self.buffer.area), self.look.style(ink));
        }
    }

    /// An empty frame over what was there; gives the room inside.
    pub(super) fn frame(&mut self, area: Rect, title: &str, ink: Ink) -> Rect {
        let area = area.intersection(self.buffer.area);
        Clear.render(area, self.buffer);
        let title = Span::styled(format!(" {} ", self.look.text(title)), self.look.style(Ink::Strong));
        let block = Block::bordered()
            .border_set(self.look.border())
            .border_style(self.look.style(ink))
            .title(title);
        let inner = block.inner(area);
        block.render(area, self.buffer);
        Rect::new(inner.x + 1, inner.y, inner.width.saturating_sub(2), inner.height)
    }

    /// The heading of a panel: its words, and a line to the edge.
    pub(super) fn heading(&mut self, area: Rect, text: &str) {
        let length = usize::from(area.width).saturating_sub(text.width() + 3);
        let rule = self.look.rule().repeat(length);
        self.row(
            area,
            0,
            &[piece(format!(" {text} "), Ink::Strong), piece(rule, Ink::Faint)],
        );
    }
}

/// At most so many columns of a text.
pub(super) fn cut(text: &str, room: usize, look: Look) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let Some(room) = room.checked_sub(1) else {
        return String::new();
    };
    let mut used = 0;
    let kept: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect();
    format!("{}{}", kept, look.ellipsis())
}

/// Exactly so many columns, flush left.
pub(super) fn left(text: &str, room: usize, look: Look) -> String {
    let text = cut(&look.text(text), room, look);
    let gap = room - text.width();
    format!("{text}{:gap$}", "")
}

/// Exactly so many columns, flush right.
pub(super) fn right(text: &str, room: usize, look: Look) -> String {
    let text = cut(&look.text(text), room, look);
    let gap = room - text.width();
    format!("{:gap$}{text}", "")
}

/// Exactly so many columns of something whose end matters as well as its beginning, such as an IPv6 address.
pub(super) fn middle(text: &str, room: usize, look: Look) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= room || room < 5 {
        return left(text, room, look);
    }
    let tail = (room - 1) / 2;
    let start: String = letters[..room - 1 - tail].iter().collect();
    let end: String = letters[letters.len() - tail..].iter().collect();
    format!("{start}{}{end}", look.ellipsis())
}

/// Words in lines of so many columns. A word that is longer is cut.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}
