//! A view with an agent that says what a test wants, and the text of its screen.

use agent::{
    clock::Now,
    control::api::{OverviewSort, OverviewView},
    tables::MonotonicNs,
    top::{
        app::{App, Setting},
        draw::draw,
        look::{Look, Palette},
        message::{Effect, Extra, Input, Trouble, Watch},
        order::Order,
    },
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};

/// 02:14:07 on the day of the tests.
pub(crate) fn start() -> Timestamp {
    "2025-06-02T02:14:07Z".parse().expect("instant")
}

pub(crate) const COLORLESS: Look = Look {
    palette: Palette::None,
    ascii: false,
};

/// A view, its clock, and what it wanted done.
pub(crate) struct World {
    pub(crate) app: App,
    now: Now,
    pub(crate) effects: Vec<Effect>,
}

impl World {
    pub(crate) fn new(columns: u16, rows: u16) -> Self {
        Self::with_look(columns, rows, COLORLESS)
    }

    pub(crate) fn with_look(columns: u16, rows: u16, look: Look) -> Self {
        let now = Now {
            wall: start(),
            mono: MonotonicNs(1_000_000_000_000),
        };
        let setting = Setting {
            host: "lb-1".to_owned(),
            look,
            zone: TimeZone::UTC,
            ssh_peer: None,
        };
        let mut world = Self {
            app: App::new(setting, (columns, rows), OverviewSort::Pressure, "", now),
            now,
            effects: Vec::new(),
        };
        world.put(Input::Tick);
        world
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, millis: i64) {
        self.now.wall += SignedDuration::from_millis(millis);
        self.now.mono.0 += millis as u64 * 1_000_000;
        self.put(Input::Tick);
    }

    pub(crate) fn put(&mut self, input: Input) {
        self.effects.extend(self.app.update(input, self.now));
    }

    pub(crate) fn press(&mut self, code: KeyCode) {
        self.put(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    pub(crate) fn control(&mut self, letter: char) {
        self.put(Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)));
    }

    pub(crate) fn type_text(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter));
        }
    }

    /// The agent answers what is asked now, as it would: with the window that was asked for.
    pub(crate) fn answer(&mut self, mut overview: OverviewView) {
        let query = self.app.watch().overview;
        let offset = query.offset.unwrap_or(0);
        overview.matched = overview.addresses.len();
        overview.protected = overview.addresses.len();
        overview.addresses = overview
            .addresses
            .into_iter()
            .skip(offset)
            .take(query.limit.unwrap_or(50))
            .collect();
        self.put(Input::Overview(query, Ok(Box::new(overview))));
    }

    pub(crate) fn fall_silent(&mut self) {
        let query = self.app.watch().overview;
        self.put(Input::Overview(
            query,
            Err(Trouble::Away("no agent answers at /run/levee/agent.sock".to_owned())),
        ));
    }

    pub(crate) fn answer_also(&mut self, extra: Extra) {
        self.put(Input::Extra(self.app.watch().also, Ok(extra)));
    }

    /// The order whose preview was asked last.
    pub(crate) fn asked(&self) -> Option<Order> {
        let orders = self.effects.iter().rev().filter_map(|effect| match effect {
            Effect::Preview(order) => Some((**order).clone()),
            _ => None,
        });
        orders.into_iter().next()
    }

    /// The orders that were to be carried out.
    pub(crate) fn acts(&self) -> Vec<Order> {
        let acts = self.effects.iter().filter_map(|effect| match effect {
            Effect::Act(order) => Some((**order).clone()),
            _ => None,
        });
        acts.collect()
    }

    pub(crate) fn watched(&self) -> Watch {
        let watches = self.effects.iter().rev().filter_map(|effect| match effect {
            Effect::Watch(watch) => Some(watch.clone()),
            _ => None,
        });
        watches.into_iter().next().expect("something is watched")
    }

    pub(crate) fn buffer(&self) -> Buffer {
        let (columns, rows) = self.app.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a test's terminal");
        terminal
            .draw(|frame| draw(&self.app, frame.buffer_mut()))
            .expect("drawing");
        terminal.backend().buffer().clone()
    }

    /// The lines of the screen, without spaces at their ends.
    pub(crate) fn lines(&self) -> Vec<String> {
        let buffer = self.buffer();
        let lines = buffer.content.chunks(usize::from(buffer.area.width).max(1));
        lines
            .map(|cells| {
                cells
                    .iter()
                    .map(ratatui::buffer::Cell::symbol)
                    .collect::<String>()
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The line that holds a text.
    pub(crate) fn line(&self, with: &str) -> String {
        let lines = self.lines();
        let found = lines.iter().find(|line| line.contains(with));
        found
            .unwrap_or_else(|| panic!("no line has {with:?}:\n{}", self.text()))
            .clone()
    }

    pub(crate) fn shows(&self, text: &str) {
        assert!(self.text().contains(text), "there is no {text:?}:\n{}", self.text());
    }

    pub(crate) fn hides(&self, text: &str) {
        assert!(!self.text().contains(text), "there is {text:?}:\n{}", self.text());
    }
}
