//! The state of the view: what was asked, what the agent said, where the cursor is. Inputs in, effects out; no clock, no terminal.

mod act;
mod take;
mod walk;

use std::{collections::VecDeque, net::IpAddr};

use ipnet::IpNet;
use jiff::{Timestamp, tz::TimeZone};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::Input as Text;

use super::{
    cursor::{Cursor, Known},
    dialog::Dialog,
    draw::plan::{self, Plan},
    keys::{self, Wish},
    look::Look,
    message::{Also, Effect, Input, Watch},
};
use crate::{
    clock::Now,
    control::api::{
        AddressLine, AddressView, EventView, OverviewQuery, OverviewSort, OverviewView, PrefixesView, SourcesView,
    },
};

/// Events that are kept for the eye.
const EVENTS: usize = 100;
/// A note stays for so long.
const NOTE_SECONDS: u64 = 8;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// All addresses.
    Addresses,
    /// The heaviest sources.
    Sources,
    /// The heaviest prefixes.
    Prefixes,
    /// The host, and what is not as it should be.
    Host,
    /// One address.
    Address(IpAddr),
}

impl View {
    /// Those that are gone through by Tab.
    pub const TABS: [Self; 4] = [Self::Addresses, Self::Sources, Self::Prefixes, Self::Host];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Addresses | Self::Address(_) => "addresses",
            Self::Sources => "sources",
            Self::Prefixes => "prefixes",
            Self::Host => "host",
        }
    }
}

/// Whether the agent answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// It has not been heard yet.
    Asked,
    /// It does.
    Answers,
    /// It does not, since it was last heard.
    Away {
        /// When it was last heard; when this began if it never was.
        since: Timestamp,
        /// What went wrong.
        why: String,
    },
}

/// A sentence at the bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The sentence.
    pub text: String,
    /// It is a refusal or a failure.
    pub bad: bool,
    at: Now,
}

/// What does not change while it runs.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The host's name.
    pub host: String,
    /// Inks and signs.
    pub look: Look,
    /// The operator's time zone.
    pub zone: TimeZone,
    /// From where the operator is logged in.
    pub ssh_peer: Option<IpAddr>,
}

/// The state.
#[derive(Debug, Clone)]
pub struct App {
    /// What does not change.
    pub setting: Setting,
    /// The instant of the last input.
    pub now: Now,
    /// Columns and rows.
    pub size: (u16, u16),
    /// What is looked at.
    pub view: View,
    /// Whether the agent answers.
    pub agent: Agent,
    /// When it last did.
    heard: Timestamp,
    /// What it last said.
    pub overview: Option<Box<OverviewView>>,
    /// Lines of the list before those in `overview`.
    window: usize,
    /// One address, closely.
    pub address: Option<Box<AddressView>>,
    /// Sources.
    pub sources: Option<SourcesView>,
    /// Prefixes.
    pub prefixes: Option<PrefixesView>,
    /// Why what is looked at besides is not there.
    pub trouble: Option<String>,
    /// What happened, oldest first.
    pub events: VecDeque<EventView>,
    /// The order of addresses.
    pub sort: OverviewSort,
    /// Which addresses.
    pub filter: Text,
    /// The filter is being typed.
    pub filtering: bool,
    /// The cursor among addresses.
    pub cursor: Cursor<IpAddr>,
    /// The cursor among sources or prefixes.
    pub talker: Cursor<IpNet>,
    /// What was last known of the address that is picked, for when it has left the screen.
    pub picked_line: Option<AddressLine>,
    /// Nothing is done without it.
    pub dialog: Option<Dialog>,
    /// The help is open.
    pub help: bool,
    /// The picture stands still since.
    pub paused: Option<Timestamp>,
    note: Option<Note>,
    watched: Option<Watch>,
}

impl App {
    /// At the beginning.
    #[must_use]
    pub fn new(setting: Setting, size: (u16, u16), sort: OverviewSort, filter: &str, now: Now) -> Self {
        Self {
            setting,
            now,
            size,
            view: View::Addresses,
            agent: Agent::Asked,
            heard: now.wall,
            overview: None,
            window: 0,
            address: None,
            sources: None,
            prefixes: None,
            trouble: None,
            events: VecDeque::new(),
            sort,
            filter: Text::from(filter),
            filtering: false,
            cursor: Cursor::default(),
            talker: Cursor::default(),
            picked_line: None,
            dialog: None,
            help: false,
            paused: None,
            note: None,
            watched: None,
        }
    }

    /// Takes in what came, and says what is to be done.
    pub fn update(&mut self, input: Input, now: Now) -> Vec<Effect> {
        self.now = now;
        let mut effects = match input {
            Input::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
            Input::Key(key) => self.key(key),
            Input::Paste(text) => self.paste(&text),
            Input::Resize(columns, rows) => {
                self.size = (columns, rows);
                vec![Effect::Redraw]
            }
            Input::Tick => Vec::new(),
            Input::Overview(query, answer) => self.take_overview(&query, answer),
            Input::Extra(also, answer) => self.take_extra(also, answer),
            Input::Preview(order, answer) => self.take_preview(*order, answer),
            Input::Done(order, outcome) => self.take_done(&order, outcome),
            Input::Happened(event) => self.take_event(*event),
            Input::Deaf => vec![Effect::Quit],
        };
        if let Some(dialog) = &mut self.dialog {
            effects.extend(dialog.tick(now));
        }
        let watch = self.watch();
        if self.watched.as_ref() != Some(&watch) {
            self.watched = Some(watch.clone());
            effects.push(Effect::Watch(watch));
        }
        effects
    }

    /// Whether time passes quickly: something waits for it.
    #[must_use]
    pub const fn is_impatient(&self) -> bool {
        self.dialog.is_some()
    }

    /// The note at the bottom, while it stays.
    #[must_use]
    pub fn note(&self) -> Option<&Note> {
        let fresh = |note: &&Note| self.now.mono.0.saturating_sub(note.at.mono.0) < NOTE_SECONDS * 1_000_000_000;
        self.note.as_ref().filter(fresh)
    }

    fn tell(&mut self, text: impl Into<String>, bad: bool) -> Vec<Effect> {
        self.note = Some(Note {
            text: text.into(),
            bad,
            at: self.now,
        });
        Vec::new()
    }

    /// What is to be asked now. The window of addresses holds the screen and one before and behind it, and moves by screens.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let unit = usize::from(self.size.1).max(10);
        let filter = Some(self.filter.value().trim().to_owned()).filter(|text| !text.is_empty());
        Watch {
            overview: OverviewQuery {
                sort: Some(self.sort),
                filter,
                offset: Some((self.cursor.top() / unit * unit).saturating_sub(unit)),
                limit: Some(3 * unit),
            },
            also: match self.view {
                View::Addresses | View::Host => Also::Nothing,
                View::Sources => Also::Sources,
                View::Prefixes => Also::Prefixes,
                View::Address(address) => Also::Address(address),
            },
        }
    }

    /// Where everything is on the screen.
    #[must_use]
    pub fn plan(&self) -> Plan {
        plan::plan(self)
    }

    /// The addresses of the window, and the number of lines before them.
    #[must_use]
    pub fn lines(&self) -> (usize, &[AddressLine]) {
        let lines = self.overview.as_ref().map(|overview| overview.addresses.as_slice());
        (self.window, lines.unwrap_or_default())
    }

    fn with_known<T>(&mut self, then: impl FnOnce(&mut Cursor<IpAddr>, Known<'_, IpAddr>) -> T) -> T {
        let page = self.plan().rows();
        let keys: Vec<IpAddr> = self.lines().1.iter().map(|line| line.address).collect();
        let known = Known {
            keys: &keys,
            start: self.window,
            total: self.overview.as_ref().map_or(0, |overview| overview.matched),
            page,
        };
        then(&mut self.cursor, known)
    }

    /// Sources or prefixes, whatever is looked at.
    #[must_use]
    pub fn talkers(&self) -> Vec<IpNet> {
        match self.view {
            View::Sources => self
                .sources
                .iter()
                .flat_map(|view| &view.sources)
                .map(|source| source.source)
                .collect(),
            View::Prefixes => self
                .prefixes
                .iter()
                .flat_map(|view| &view.prefixes)
                .map(|prefix| prefix.prefix)
                .collect(),
            View::Addresses | View::Host | View::Address(_) => Vec::new(),
        }
    }

    fn with_talkers<T>(&mut self, then: impl FnOnce(&mut Cursor<IpNet>, Known<'_, IpNet>) -> T) -> T {
        let page = self.plan().rows();
        let keys = self.talkers();
        let known = Known {
            keys: &keys,
            start: 0,
            total: keys.len(),
            page,
        };
        then(&mut self.talker, known)
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return vec![Effect::Quit],
                KeyCode::Char('l') => return vec![Effect::Redraw],
                KeyCode::Char('z') => return vec![Effect::Suspend],
                _ => {}
            }
        }
        // Nobody acts on what cannot be seen.
        if self.plan().too_small() {
            let quit = keys::wish(key) == Some(Wish::Quit);
            return if quit { vec![Effect::Quit] } else { Vec::new() };
        }
        if self.dialog.is_some() {
            return self.key_in_dialog(key);
        }
        if self.filtering {
            return self.key_in_filter(key);
        }
        if self.help {
            self.help = !matches!(keys::wish(key), Some(Wish::Help | Wish::Back | Wish::Quit | Wish::Open));
            return Vec::new();
        }
        keys::wish(key).map_or_else(Vec::new, |wish| self.wish(wish))
    }
}
