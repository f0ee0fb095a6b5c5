//! Before something is done: to whom, for how long, why, whom it reaches. It is done once its word was typed and the agent has said what
//! exactly this would do, so no single key ever does anything. The target is the one it was opened for, whatever the lists do meanwhile.

use std::{net::IpAddr, str::FromStr as _, time::Duration};

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::{Input as Text, backend::crossterm::EventHandler as _};

use super::{
    message::{Effect, Trouble},
    order::{Deed, Order, Target},
};
use crate::{
    clock::Now,
    config::units::Ttl,
    control::api::{Done, PreviewView},
    tables::Rung,
};

/// What a person may choose from, with the key of each; the last one only where the network above can be asked.
const RUNGS: [(char, Option<Rung>); 6] = [
    ('a', None),
    ('o', Some(Rung::Observe)),
    ('l', Some(Rung::Limit)),
    ('v', Some(Rung::Verify)),
    ('k', Some(Rung::Known)),
    ('u', Some(Rung::Upstream)),
];

/// Typing pauses for so long before the agent is asked.
const PAUSE: Duration = Duration::from_millis(300);
/// What the agent said is asked again when it is older: the blast radius changes with the traffic.
const STALE: Duration = Duration::from_secs(3);
/// Characters of a field at most.
const LONGEST: usize = 200;

/// Where keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The choice of the rung.
    Choice,
    /// For how long.
    Ttl,
    /// Why.
    Reason,
    /// The word that has it done.
    Word,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// It is being filled in.
    Filling,
    /// It is being done.
    Doing,
    /// It was done, or refused.
    Over(Result<Done, Trouble>),
}

/// What the agent said that an order would do.
pub type Answer = Result<Box<PreviewView>, Trouble>;

/// A dialogue.
#[derive(Debug, Clone)]
pub struct Dialog {
    target: Target,
    deed: Deed,
    /// The rung where it stands, as it was when this was opened.
    pub now_on: Option<String>,
    /// For how long, as typed.
    pub ttl: Text,
    /// Why, as typed.
    pub reason: Text,
    /// The word, as typed.
    pub word: Text,
    /// Where keys go to.
    pub focus: Focus,
    /// How far it is.
    pub stage: Stage,
    /// Why Enter did nothing.
    pub complaint: Option<String>,
    ssh_peer: Option<IpAddr>,
    asks_above: bool,
    typed: Now,
    asked: Option<(Order, Now)>,
    answer: Option<(Order, Answer)>,
}

/// What became of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The dialogue goes on.
    Open(Vec<Effect>),
    /// It is closed.
    Closed,
}

impl Dialog {
    /// Opens one. `asks_above`: the network above can be asked.
    #[must_use]
    pub fn open(
        target: Target,
        deed: Deed,
        now_on: Option<String>,
        ssh_peer: Option<IpAddr>,
        asks_above: bool,
        now: Now,
    ) -> Self {
        let focus = match deed {
            Deed::Rung(_) => Focus::Choice,
            Deed::Block => Focus::Ttl,
            Deed::Unblock => Focus::Word,
        };
        Self {
            target,
            deed,
            now_on,
            ttl: Text::default(),
            reason: Text::default(),
            word: Text::default(),
            focus,
            stage: Stage::Filling,
            complaint: None,
            ssh_peer,
            asks_above,
            typed: now,
            asked: None,
            answer: None,
        }
    }

    /// Whom it is about.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// What it would do.
    #[must_use]
    pub const fn deed(&self) -> Deed {
        self.deed
    }

    /// The rungs that it offers, with the key of each; `None` is to let the address take its rung by itself.
    #[must_use]
    pub fn rungs(&self) -> &'static [(char, Option<Rung>)] {
        &RUNGS[..RUNGS.len() - usize::from(!self.asks_above)]
    }

    /// The fields that it has, in order.
    #[must_use]
    pub const fn fields(&self) -> &'static [Focus] {
        match self.deed {
            Deed::Rung(None) => &[Focus::Choice, Focus::Reason, Focus::Word],
            Deed::Rung(Some(_)) => &[Focus::Choice, Focus::Ttl, Focus::Reason, Focus::Word],
            Deed::Block => &[Focus::Ttl, Focus::Reason, Focus::Word],
            Deed::Unblock => &[Focus::Word],
        }
    }

    /// The order as it is filled in.
    ///
    /// # Errors
    /// What is wrong with a field.
    pub fn order(&self) -> Result<Order, String> {
        let ttl = self.ttl.value().trim();
        let ttl = match ttl {
            "" => None,
            _ if !self.fields().contains(&Focus::Ttl) => None,
            text => Some(Ttl::from_str(text).map_err(|error| error.to_string())?),
        };
        let reason = Some(self.reason.value().trim().to_owned()).filter(|text| !text.is_empty());
        Ok(Order {
            target: self.target,
            deed: self.deed,
            ttl,
            reason,
            ssh_peer: self.ssh_peer,
        })
    }

    /// What the agent said of exactly this order; `None` until it has.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        let order = self.order().ok()?;
        self.answer
            .as_ref()
            .filter(|(asked, _)| *asked == order)
            .map(|(_, answer)| answer)
    }

    /// Time has passed: asks what this would do, once typing has paused, and again when the answer is old.
    pub fn tick(&mut self, now: Now) -> Vec<Effect> {
        let Ok(order) = self.order() else { return Vec::new() };
        if self.stage != Stage::Filling || (since(self.typed, now) < PAUSE && self.focus != Focus::Word) {
            return Vec::new();
        }
        let asked = self
            .asked
            .as_ref()
            .is_some_and(|(asked, at)| *asked == order && since(*at, now) < STALE);
        if asked {
            return Vec::new();
        }
        self.asked = Some((order.clone(), now));
        vec![Effect::Preview(Box::new(order))]
    }

    /// The agent said what an order would do.
    pub fn previewed(&mut self, order: Order, answer: Answer) {
        self.answer = Some((order, answer));
    }

    /// The agent has carried out an order, or has not. Another one than this dialogue's is not for it.
    pub fn done(&mut self, order: &Order, outcome: Result<Done, Trouble>) -> bool {
        let ours = self.stage == Stage::Doing && self.order().as_ref() == Ok(order);
        if ours {
            self.stage = Stage::Over(outcome);
        }
        ours
    }

    /// A key.
    pub fn key(&mut self, key: KeyEvent, now: Now) -> Outcome {
        if key.code == KeyCode::Esc {
            return Outcome::Closed;
        }
        match self.stage {
            Stage::Doing => Outcome::Open(Vec::new()),
            Stage::Over(_) if key.code == KeyCode::Enter => Outcome::Closed,
            Stage::Over(_) => Outcome::Open(Vec::new()),
            Stage::Filling => Outcome::Open(self.fill(key, now)),
        }
    }

    fn fill(&mut self, key: KeyEvent, now: Now) -> Vec<Effect> {
        self.complaint = None;
        match key.code {
            KeyCode::Enter if self.focus == Focus::Word => return self.finish(),
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => self.move_focus(1),
            KeyCode::BackTab | KeyCode::Up => self.move_focus(-1),
            _ if self.focus == Focus::Choice => self.choose(key.code),
            _ => self.type_into(&Event::Key(key)),
        }
        if self.focus != Focus::Word {
            self.typed = now;
        }
        self.tick(now)
    }

    /// Pasted text goes into the field that has the focus, but for the word: that is to be typed.
    pub fn paste(&mut self, text: &str, now: Now) {
        if self.stage != Stage::Filling || matches!(self.focus, Focus::Choice | Focus::Word) {
            return;
        }
        for c in text
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
        {
            self.type_into(&Event::Key(KeyCode::Char(c).into()));
        }
        self.typed = now;
    }

    fn type_into(&mut self, event: &Event) {
        let field = match self.focus {
            Focus::Choice => return,
            Focus::Ttl => &mut self.ttl,
            Focus::Reason => &mut self.reason,
            Focus::Word => &mut self.word,
        };
        let before = field.clone();
        field.handle_event(event);
        if field.value().chars().count() > LONGEST {
            *field = before;
        }
    }

    fn move_focus(&mut self, by: isize) {
        let fields = self.fields();
        let here = fields.iter().position(|field| *field == self.focus).unwrap_or(0);
        let there = here.saturating_add_signed(by).min(fields.len() - 1);
        self.focus = fields[there];
    }

    fn choose(&mut self, key: KeyCode) {
        let Deed::Rung(rung) = self.deed else { return };
        let rungs = self.rungs();
        let here = rungs.iter().position(|(_, one)| *one == rung).unwrap_or(0);
        let there = match key {
            KeyCode::Left => here.saturating_sub(1),
            KeyCode::Right => (here + 1).min(rungs.len() - 1),
            KeyCode::Char(letter) => rungs.iter().position(|(one, _)| *one == letter).unwrap_or(here),
            _ => here,
        };
        if there != here {
            // What was typed was for another rung.
            self.word.reset();
        }
        self.deed = Deed::Rung(rungs[there].1);
    }

    /// Enter behind the word.
    fn finish(&mut self) -> Vec<Effect> {
        let order = match self.order() {
            Ok(order) => order,
            Err(error) => return self.complain(error),
        };
        let word = order.word();
        if self.word.value().trim() != word {
            return self.complain(format!("type the word {word}, then Enter; Esc does nothing"));
        }
        match self.answer() {
            Some(Ok(_)) => {
                self.stage = Stage::Doing;
                vec![Effect::Act(Box::new(order))]
            }
            Some(Err(Trouble::Refused(..))) => self.complain("the agent refuses this, see above; Esc goes back"),
            Some(Err(Trouble::Away(_))) => self.complain("the agent does not answer; Esc goes back"),
            None => self.complain("the agent has not said yet what this would do: wait for it, then Enter"),
        }
    }

    fn complain(&mut self, complaint: impl Into<String>) -> Vec<Effect> {
        self.complaint = Some(complaint.into());
        Vec::new()
    }
}

fn since(earlier: Now, now: Now) -> Duration {
    Duration::from_nanos(now.mono.0.saturating_sub(earlier.mono.0))
}
