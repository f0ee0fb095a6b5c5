//! Taking in what the agent says.

use super::{Agent, App, EVENTS};
use crate::{
    control::api::{Done, EventView, OverviewQuery, OverviewView, PreviewView},
    top::{
        cursor::Cursor,
        message::{Also, Effect, Extra, Trouble},
        order::Order,
    },
};

impl App {
    pub(super) fn take_overview(
        &mut self,
        query: &OverviewQuery,
        answer: Result<Box<OverviewView>, Trouble>,
    ) -> Vec<Effect> {
        let overview = match answer {
            Ok(overview) => overview,
            Err(trouble) => {
                self.away(trouble);
                return Vec::new();
            }
        };
        if let Agent::Away { .. } = self.agent {
            self.tell("the agent answers again", false);
        }
        self.agent = Agent::Answers;
        self.heard = self.now.wall;
        // What was asked before the order or the filter changed is of no use.
        if self.paused.is_some() || *query != self.watch().overview {
            return Vec::new();
        }
        self.window = query.offset.unwrap_or(0);
        self.overview = Some(overview);
        self.with_known(Cursor::settle);
        self.remember_picked();
        Vec::new()
    }

    fn away(&mut self, trouble: Trouble) {
        let why = match trouble {
            Trouble::Away(why) => why,
            Trouble::Refused(error, hint) => hint.map_or_else(|| error.clone(), |hint| format!("{error}; {hint}")),
        };
        let since = match self.agent {
            Agent::Away { since, .. } => since,
            Agent::Asked | Agent::Answers => self.heard,
        };
        self.agent = Agent::Away { since, why };
    }

    pub(super) fn take_extra(&mut self, also: Also, answer: Result<Extra, Trouble>) -> Vec<Effect> {
        if self.paused.is_some() || also != self.watch().also {
            return Vec::new();
        }
        self.trouble = None;
        match answer {
            Ok(Extra::Address(view)) => self.address = Some(view),
            Ok(Extra::Sources(view)) => self.sources = Some(view),
            Ok(Extra::Prefixes(view)) => self.prefixes = Some(view),
            // Said where everybody sees it, with the overview.
            Err(Trouble::Away(_)) => {}
            Err(Trouble::Refused(error, hint)) => {
                self.trouble = Some(hint.map_or_else(|| error.clone(), |hint| format!("{error}; {hint}")));
            }
        }
        if matches!(also, Also::Sources | Also::Prefixes) {
            self.with_talkers(Cursor::settle);
        }
        Vec::new()
    }

    pub(super) fn take_preview(&mut self, order: Order, answer: Result<Box<PreviewView>, Trouble>) -> Vec<Effect> {
        if let Some(dialog) = &mut self.dialog {
            dialog.previewed(order, answer);
        }
        Vec::new()
    }

    /// Tells how it ended: in its dialogue, or at the bottom when that was closed meanwhile.
    pub(super) fn take_done(&mut self, order: &Order, outcome: Result<Done, Trouble>) -> Vec<Effect> {
        let text = match &outcome {
            Ok(done) => done.message.clone(),
            Err(Trouble::Away(why)) => format!("it is not known whether this was done: {why}"),
            Err(Trouble::Refused(error, hint)) => hint
                .as_ref()
                .map_or_else(|| error.clone(), |hint| format!("{error}; {hint}")),
        };
        let bad = outcome.is_err();
        let shown = self.dialog.as_mut().is_some_and(|dialog| dialog.done(order, outcome));
        if !shown {
            self.tell(text, bad);
        }
        Vec::new()
    }

    pub(super) fn take_event(&mut self, event: EventView) -> Vec<Effect> {
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
        Vec::new()
    }
}
