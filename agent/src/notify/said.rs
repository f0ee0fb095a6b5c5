//! What was said last of each subject, so that it is not said again at once.
//!
//! Only what was said *last* counts: "saturated, recovered, saturated" are three messages, or somebody would believe in the
//! recovery.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::detect::{AttackVector, Event, Subject, What};

/// Subjects and themes that are remembered.
const MOST: usize = 16_384;

/// What a message is about; of each theme there is one latest word.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Theme {
    Attack,
    Vector(AttackVector),
    Handshakes,
    Busy,
    Rung,
    Host,
    Upstream,
    Fleet,
    FleetAbout(String),
    FleetAttack,
    Interface(String),
    Notice(String),
}

type Key = (Option<Subject>, Option<u64>, Theme);

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Said {
    last: HashMap<Key, (String, Instant)>,
}

impl Said {
    /// Whether it was said last and lately. If not, it is said now.
    pub(super) fn is_again(&mut self, event: &Event, within: Duration, now: Instant) -> bool {
        let (theme, words) = theme(&event.what);
        let key = (event.subject, event.attack, theme);
        let lately = |at: &Instant| now.saturating_duration_since(*at) < within;
        if self
            .last
            .get(&key)
            .is_some_and(|(said, at)| *said == words && lately(at))
        {
            return true;
        }
        if self.last.len() >= MOST {
            self.last.retain(|_, (_, at)| lately(at));
        }
        // Beyond that it is better to repeat than to grow.
        if self.last.len() >= MOST {
            self.last.clear();
        }
        self.last.insert(key, (words, now));
        false
    }
}

fn theme(what: &What) -> (Theme, String) {
    let theme = match what {
        What::AttackStarted { .. } | What::AttackEnded { .. } => Theme::Attack,
        What::VectorAdded { vector } => Theme::Vector(*vector),
        What::HandshakesFalling { .. } => Theme::Handshakes,
        What::Busy { .. } => Theme::Busy,
        What::RungChanged { to, dry_run, .. } => return (Theme::Rung, format!("{to} {dry_run}")),
        What::HostSaturated { .. } | What::HostRecovered => Theme::Host,
        What::UpstreamAnnounced { .. } | What::UpstreamWithdrawn | What::UpstreamRefused { .. } => Theme::Upstream,
        What::FleetCutOff { .. } | What::FleetBack { .. } => Theme::Fleet,
        What::FleetLost { about, .. } | What::FleetHeldBack { about, .. } => Theme::FleetAbout(about.clone()),
        What::FleetGarbage { what } => Theme::FleetAbout(what.clone()),
        What::FleetAttack { .. } => Theme::FleetAttack,
        What::InterfaceLost { interface, .. } | What::InterfaceBack { interface, .. } => {
            Theme::Interface(interface.clone())
        }
        What::Notice { text } => Theme::Notice(text.clone()),
    };
    (theme, what.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn event(what: What) -> Event {
        Event {
            at: jiff::Timestamp::UNIX_EPOCH,
            subject: None,
            attack: None,
            what,
        }
    }

    #[test]
    fn only_what_was_said_last_is_said_again() {
        let saturated = event(What::HostSaturated {
            receive_drops: 1.0,
            softirq: 1.0,
        });
        let louder = event(What::HostSaturated {
            receive_drops: 9.0,
            softirq: 1.0,
        });
        let recovered = event(What::HostRecovered);
        let now = Instant::now();
        let mut said = Said::default();
        let mut again = |event: &Event, after: u64| said.is_again(event, MINUTE, now + Duration::from_secs(after));
        assert!(!again(&saturated, 0));
        assert!(again(&louder, 1), "the same in other numbers");
        assert!(!again(&recovered, 2));
        assert!(!again(&saturated, 3), "or somebody would believe in the recovery");
        assert!(again(&saturated, 62));
        assert!(!again(&saturated, 63), "a minute after it was said");
    }

    #[test]
    fn another_subject_is_another_message() {
        let now = Instant::now();
        let mut said = Said::default();
        let one = event(What::Busy { handshakes: 1.0 });
        let other = Event {
            subject: Some("203.0.113.7".parse().expect("subject")),
            ..one.clone()
        };
        assert!(!said.is_again(&one, MINUTE, now) && !said.is_again(&other, MINUTE, now));
        assert!(said.is_again(&one, MINUTE, now) && said.is_again(&other, MINUTE, now));
    }
}
