//! How it looks: inks and signs for terminals with colours, without, for eyes that do not tell red from green, and for terminals
//! that have ASCII alone. No ink says anything that a word beside it does not say.

use ratatui::{
    style::{Color, Modifier, Style},
    symbols::border,
};

use crate::plain::clean;

/// Colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Palette {
    /// Red, yellow and green, as the terminal has them.
    #[default]
    Usual,
    /// Orange and blue, which nearly everybody tells apart.
    ColorBlind,
    /// None: bold and reversed letters only.
    None,
}

/// What an ink is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Text.
    Plain,
    /// Labels and what matters less.
    Faint,
    /// Headings.
    Strong,
    /// An attack, over a rate, a refusal.
    Alarm,
    /// The same, as a sign that is seen from the other end of the room.
    AlarmSign,
    /// A warning.
    Caution,
    /// The same as a sign.
    CautionSign,
    /// All is well.
    Good,
    /// Keys to press.
    Key,
    /// The first line, and the line that is picked.
    Bar,
}

/// Inks and signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Colours.
    pub palette: Palette,
    /// Only ASCII.
    pub ascii: bool,
}

/// Heights of a sparkline, from nothing to all.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_BLOCKS: [char; 9] = [' ', '_', '.', ',', '-', '=', '+', '*', '#'];

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// Orange, sky blue and yellow of Okabe and Ito's palette (2008), as the nearest of xterm's 256 colours.
const ORANGE: Color = Color::Indexed(208);
const BLUE: Color = Color::Indexed(75);
const YELLOW: Color = Color::Indexed(227);

impl Look {
    /// The style of an ink.
    #[must_use]
    pub fn style(self, ink: Ink) -> Style {
        let plain = Style::new();
        match ink {
            Ink::Plain => return plain,
            Ink::Faint => return plain.add_modifier(Modifier::DIM),
            Ink::Strong => return plain.add_modifier(Modifier::BOLD),
            Ink::Bar => return plain.add_modifier(Modifier::REVERSED),
            Ink::Alarm | Ink::AlarmSign | Ink::Caution | Ink::CautionSign | Ink::Good | Ink::Key => {}
        }
        match self.palette {
            Palette::Usual => colored(ink, Color::LightRed, Color::Yellow, Color::Green, Color::Cyan),
            Palette::ColorBlind => colored(ink, ORANGE, YELLOW, BLUE, BLUE),
            Palette::None => match ink {
                Ink::AlarmSign | Ink::CautionSign => plain.add_modifier(Modifier::BOLD | Modifier::REVERSED),
                Ink::Good => plain,
                _ => plain.add_modifier(Modifier::BOLD),
            },
        }
    }

    /// A block of so many eighths.
    #[must_use]
    pub const fn block(self, eighths: usize) -> char {
        let blocks = if self.ascii { ASCII_BLOCKS } else { BLOCKS };
        blocks[if eighths > 8 { 8 } else { eighths }]
    }

    /// In front of the line that is picked.
    #[must_use]
    pub const fn pointer(self) -> &'static str {
        if self.ascii { ">" } else { "▸" }
    }

    /// At the end of what was cut off.
    #[must_use]
    pub const fn ellipsis(self) -> &'static str {
        if self.ascii { "~" } else { "…" }
    }

    /// A dotted line.
    #[must_use]
    pub const fn dots(self) -> char {
        if self.ascii { '-' } else { '┄' }
    }

    /// A line.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        if self.ascii { "-" } else { "─" }
    }

    /// Between two things of one line.
    #[must_use]
    pub const fn dot(self) -> &'static str {
        if self.ascii { "|" } else { "·" }
    }

    /// The frame of a dialogue.
    #[must_use]
    pub const fn border(self) -> border::Set<'static> {
        if self.ascii { ASCII_BORDER } else { border::ROUNDED }
    }

    /// Text from elsewhere as it may stand on this screen.
    #[must_use]
    pub fn text(self, text: &str) -> String {
        let text = clean(text);
        if self.ascii {
            text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
        } else {
            text
        }
    }
}

fn colored(ink: Ink, alarm: Color, caution: Color, good: Color, key: Color) -> Style {
    let plain = Style::new();
    match ink {
        Ink::Alarm => plain.fg(alarm).add_modifier(Modifier::BOLD),
        Ink::AlarmSign => plain.fg(Color::Black).bg(alarm).add_modifier(Modifier::BOLD),
        Ink::Caution => plain.fg(caution),
        Ink::CautionSign => plain.fg(Color::Black).bg(caution).add_modifier(Modifier::BOLD),
        Ink::Good => plain.fg(good),
        Ink::Key => plain.fg(key),
        Ink::Plain | Ink::Faint | Ink::Strong | Ink::Bar => plain,
    }
}
