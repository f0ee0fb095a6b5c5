//! Doing something: opening the dialogue, and keys and pasted text while it is open.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::backend::crossterm::EventHandler as _;

use super::{App, View};
use crate::{
    tables::Rung,
    top::{
        cursor::Cursor,
        dialog::{Dialog, Outcome},
        message::Effect,
        order::{Deed, Target},
    },
};

impl App {
    /// Opens the dialogue for what is picked. Where nothing is picked yet, the first line is, and has to be seen before the key is
    /// pressed again.
    pub(super) fn begin(&mut self, deed: Deed) -> Vec<Effect> {
        let Some(target) = self.target() else {
            return self.pick_for(deed);
        };
        let now_on = match target {
            Target::Address(address) => self.rung_of(address),
            Target::Source(_) if matches!(deed, Deed::Rung(_)) => {
                return self.tell("sources have no rung: b blocks one", true);
            }
            Target::Source(_) => None,
        };
        let deed = match deed {
            Deed::Rung(_) => Deed::Rung(next_rung(now_on.as_deref())),
            Deed::Block | Deed::Unblock => deed,
        };
        let asks_above = self.overview.as_ref().is_some_and(|seen| seen.upstream.is_some());
        let peer = self.setting.ssh_peer;
        self.dialog = Some(Dialog::open(target, deed, now_on, peer, asks_above, self.now));
        Vec::new()
    }

    fn target(&self) -> Option<Target> {
        match self.view {
            View::Addresses => self.cursor.picked().map(Target::Address),
            View::Address(address) => Some(Target::Address(address)),
            View::Sources | View::Prefixes => self.talker.picked().map(Target::Source),
            View::Host => None,
        }
    }

    fn pick_for(&mut self, deed: Deed) -> Vec<Effect> {
        let picked = match self.view {
            View::Addresses => {
                let picked = self.with_known(Cursor::pick_first);
                self.remember_picked();
                picked.map(Target::Address)
            }
            View::Sources | View::Prefixes => self.with_talkers(Cursor::pick_first).map(Target::Source),
            View::Host | View::Address(_) => None,
        };
        let key = match deed {
            Deed::Rung(_) => 'r',
            Deed::Block => 'b',
            Deed::Unblock => 'u',
        };
        match picked {
            Some(target) => self.tell(format!("{} is picked now: press {key} again", target.text()), false),
            None => self.tell(
                "there is nothing to act on here: 1 shows the addresses, 2 the sources",
                true,
            ),
        }
    }

    fn rung_of(&self, address: std::net::IpAddr) -> Option<String> {
        let close = self.address.as_ref().filter(|view| view.line.address == address);
        let line = close.map(|view| &view.line).or(self.picked_line.as_ref());
        line.filter(|line| line.address == address)
            .map(|line| line.rung.clone())
    }

    pub(super) fn key_in_dialog(&mut self, key: KeyEvent) -> Vec<Effect> {
        let now = self.now;
        let Some(dialog) = &mut self.dialog else {
            return Vec::new();
        };
        match dialog.key(key, now) {
            Outcome::Open(effects) => effects,
            Outcome::Closed => {
                self.dialog = None;
                Vec::new()
            }
        }
    }

    pub(super) fn paste(&mut self, text: &str) -> Vec<Effect> {
        if self.plan().too_small() {
            return Vec::new();
        }
        if let Some(dialog) = &mut self.dialog {
            dialog.paste(text, self.now);
        } else if self.filtering {
            for c in text
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .filter(|c| !c.is_control())
            {
                self.filter.handle_event(&Event::Key(KeyCode::Char(c).into()));
            }
        }
        Vec::new()
    }
}

/// What is offered first: one rung above where it stands, as far as people may choose.
fn next_rung(now_on: Option<&str>) -> Option<Rung> {
    match now_on {
        Some("observe") => Some(Rung::Limit),
        Some("limit") => Some(Rung::Verify),
        Some("verify") => Some(Rung::Known),
        _ => None,
    }
}
