//! What each key means, and the words for it: the help and the last line are made from the same table.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::cursor::Step;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Move the cursor.
    Move(Step),
    /// Move it by pages: so many, down if positive.
    Page(isize),
    /// Look at what is picked.
    Open,
    /// Back.
    Back,
    /// The next order.
    Sort,
    /// The order before.
    SortBack,
    /// Filter.
    Filter,
    /// Attacked addresses only, or all again.
    Attacked,
    /// Put on a rung.
    Rung,
    /// Block.
    Block,
    /// Unblock.
    Unblock,
    /// The next view.
    NextView,
    /// The view with this number, from 1.
    View(u8),
    /// Hold the picture still, or go on.
    Pause,
    /// Help.
    Help,
    /// End.
    Quit,
}

/// A line of the help.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The keys, as they are written.
    pub keys: &'static str,
    /// What for.
    pub what: &'static str,
}

const fn binding(keys: &'static str, what: &'static str) -> Binding {
    Binding { keys, what }
}

/// The help, by parts.
pub const HELP: [(&str, &[Binding]); 3] = [
    (
        "Look",
        &[
            binding("Up Down j k", "move the cursor; it stays with its address"),
            binding("PgUp PgDn g G", "by pages, to the first, to the last"),
            binding("Enter", "one address closely; can it be put back?"),
            binding("Esc", "back; takes away cursor and filter"),
            binding("Tab 1 2 3 4", "addresses, sources, prefixes, host and warnings"),
        ],
    ),
    (
        "Find",
        &[
            binding("s S", "sort by the next, by the one before"),
            binding("/", "filter: text, a prefix, a rung, or attack"),
            binding("a", "only what is attacked, or all again"),
            binding("p", "hold the picture still"),
        ],
    ),
    (
        "Act, each after a typed word and with whom it reaches",
        &[
            binding("r", "put the address on a rung, or back to auto"),
            binding("b", "block: blackhole our address, or drop a source"),
            binding("u", "unblock"),
        ],
    ),
];

/// What a key means in the lists.
#[must_use]
pub const fn wish(key: KeyEvent) -> Option<Wish> {
    if key.modifiers.intersects(KeyModifiers::CONTROL.union(KeyModifiers::ALT)) {
        return None;
    }
    Some(match key.code {
        KeyCode::Up | KeyCode::Char('k') => Wish::Move(Step::Up(1)),
        KeyCode::Down | KeyCode::Char('j') => Wish::Move(Step::Down(1)),
        KeyCode::Home | KeyCode::Char('g') => Wish::Move(Step::First),
        KeyCode::End | KeyCode::Char('G') => Wish::Move(Step::Last),
        KeyCode::PageUp => Wish::Page(-1),
        KeyCode::PageDown | KeyCode::Char(' ') => Wish::Page(1),
        KeyCode::Enter | KeyCode::Right => Wish::Open,
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace => Wish::Back,
        KeyCode::Char('s') => Wish::Sort,
        KeyCode::Char('S') => Wish::SortBack,
        KeyCode::Char('/') => Wish::Filter,
        KeyCode::Char('a') => Wish::Attacked,
        KeyCode::Char('r') => Wish::Rung,
        KeyCode::Char('b') => Wish::Block,
        KeyCode::Char('u') => Wish::Unblock,
        KeyCode::Tab => Wish::NextView,
        KeyCode::Char(digit @ '1'..='4') => Wish::View(digit as u8 - b'0'),
        KeyCode::Char('p') => Wish::Pause,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Wish::Help,
        KeyCode::Char('q') => Wish::Quit,
        _ => return None,
    })
}
