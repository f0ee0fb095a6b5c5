//! Going about: cursor, views, order, filter.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::backend::crossterm::EventHandler as _;

use super::{App, View};
use crate::{
    control::api::OverviewSort,
    top::{
        cursor::{Cursor, Step},
        keys::Wish,
        message::Effect,
        order::Deed,
    },
};

/// The filter that lets attacked addresses through.
const ATTACKED: &str = "attack";
/// Letters of a filter at most.
const LONGEST_FILTER: usize = 60;

impl App {
    pub(super) fn wish(&mut self, wish: Wish) -> Vec<Effect> {
        match wish {
            Wish::Quit => return vec![Effect::Quit],
            Wish::Help => self.help = true,
            Wish::Move(step) => self.step(step),
            Wish::Page(pages) => self.step_pages(pages),
            Wish::Open => self.open(),
            Wish::Back => self.back(),
            Wish::Sort => self.sort_by(1),
            Wish::SortBack => self.sort_by(OverviewSort::ALL.len() - 1),
            Wish::Filter => self.edit_filter(),
            Wish::Attacked => self.toggle_attacked(),
            Wish::NextView => self.next_view(),
            Wish::View(number) => {
                if let Some(view) = View::TABS.get(usize::from(number).saturating_sub(1)) {
                    self.go(*view);
                }
            }
            Wish::Pause => self.pause(),
            Wish::Rung => return self.begin(Deed::Rung(None)),
            Wish::Block => return self.begin(Deed::Block),
            Wish::Unblock => return self.begin(Deed::Unblock),
        }
        Vec::new()
    }

    fn step(&mut self, step: Step) {
        match self.view {
            View::Addresses => {
                self.with_known(|cursor, known| cursor.step(step, known));
                self.remember_picked();
            }
            View::Sources | View::Prefixes => self.with_talkers(|cursor, known| cursor.step(step, known)),
            View::Host | View::Address(_) => {}
        }
    }

    fn step_pages(&mut self, pages: isize) {
        let lines = self.plan().rows().saturating_sub(1).max(1) * pages.unsigned_abs();
        self.step(if pages < 0 { Step::Up(lines) } else { Step::Down(lines) });
    }

    fn open(&mut self) {
        if self.view != View::Addresses {
            return;
        }
        let picked = self.cursor.picked();
        let address = picked.or_else(|| self.with_known(Cursor::pick_first));
        self.remember_picked();
        if let Some(address) = address {
            self.go(View::Address(address));
        }
    }

    fn back(&mut self) {
        match self.view {
            View::Address(_) | View::Sources | View::Prefixes | View::Host => self.go(View::Addresses),
            View::Addresses if !self.filter.value().is_empty() => self.filter.reset(),
            View::Addresses => {
                self.cursor.release();
                self.picked_line = None;
            }
        }
    }

    pub(super) fn go(&mut self, view: View) {
        if self.view == view {
            return;
        }
        self.view = view;
        self.trouble = None;
        self.talker.release();
        self.address = None;
    }

    fn next_view(&mut self) {
        let here = View::TABS
            .iter()
            .position(|view| view.name() == self.view.name())
            .unwrap_or(0);
        self.go(View::TABS[(here + 1) % View::TABS.len()]);
    }

    fn sort_by(&mut self, further: usize) {
        self.go(View::Addresses);
        let here = OverviewSort::ALL
            .iter()
            .position(|sort| *sort == self.sort)
            .unwrap_or(0);
        self.sort = OverviewSort::ALL[(here + further) % OverviewSort::ALL.len()];
    }

    fn edit_filter(&mut self) {
        self.go(View::Addresses);
        self.filtering = true;
    }

    fn toggle_attacked(&mut self) {
        self.go(View::Addresses);
        self.filter = if self.filter.value() == ATTACKED {
            tui_input::Input::default()
        } else {
            tui_input::Input::from(ATTACKED)
        };
    }

    fn pause(&mut self) {
        self.paused = match self.paused {
            Some(_) => None,
            None => Some(self.now.wall),
        };
    }

    pub(super) fn key_in_filter(&mut self, key: KeyEvent) -> Vec<Effect> {
        match key.code {
            KeyCode::Enter => self.filtering = false,
            KeyCode::Esc => {
                self.filter.reset();
                self.filtering = false;
            }
            _ => {
                let before = self.filter.clone();
                self.filter.handle_event(&Event::Key(key));
                if self.filter.value().chars().count() > LONGEST_FILTER {
                    self.filter = before;
                }
            }
        }
        Vec::new()
    }

    /// What is known of the picked address is kept for when it leaves the window.
    pub(super) fn remember_picked(&mut self) {
        let Some(picked) = self.cursor.picked() else {
            self.picked_line = None;
            return;
        };
        if let Some(line) = self.lines().1.iter().find(|line| line.address == picked) {
            self.picked_line = Some(line.clone());
        } else if self.picked_line.as_ref().is_some_and(|line| line.address != picked) {
            self.picked_line = None;
        }
    }
}
