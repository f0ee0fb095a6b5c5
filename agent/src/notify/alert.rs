//! Events as alerts of Prometheus's Alertmanager: what begins and ends is one alert that is sent again for as long as it
//! lasts, what only happens is one that ends by itself. Form and meaning of the fields: Alertmanager's API, version 2
//! (`postableAlerts` in `api/v2/openapi.yaml` of prometheus/alertmanager).

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::message::Message;
use crate::detect::{Event, Subject, What};

/// What only happens is an alert for so long.
const MOMENT: SignedDuration = SignedDuration::from_mins(5);
/// An alert that lasts ends when nothing was heard of it for so many times `resend`, as Prometheus does it.
const SILENCE: u32 = 4;
/// Alerts that last, at most: as many as there can be addresses.
const MOST: usize = 16_384;

/// When an alert ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// At this time.
    At(Timestamp),
    /// When nothing is heard of it any more.
    WhenSilent,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// They are its identity: the same in every post.
    pub labels: BTreeMap<String, String>,
    /// What is said of it.
    pub annotations: BTreeMap<String, String>,
    /// Since when.
    pub starts: Timestamp,
    /// Until when.
    pub ends: Ends,
}

impl Alert {
    /// As Alertmanager takes it.
    #[must_use]
    pub fn json(&self, now: Timestamp, resend: Duration) -> Value {
        let silence = SignedDuration::try_from(resend.saturating_mul(SILENCE)).unwrap_or(MOMENT);
        let ends = match self.ends {
            Ends::At(at) => at,
            Ends::WhenSilent => now.saturating_add(silence).unwrap_or(now),
        };
        json!({
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": self.starts.to_string(),
            "endsAt": ends.to_string(),
        })
    }
}

/// What an alert that lasts is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum About {
    Attack(Option<u64>, Option<Subject>),
    Handshakes(Option<u64>, Option<Subject>),
    Host,
}

/// The alerts that last.
#[derive(Debug, Default)]
pub struct Alerts {
    lasting: HashMap<About, Alert>,
}

impl Alerts {
    /// What an event means in alerts. `wanted` says whether its endpoint is told of it; the end of what it was told of, and
    /// what becomes of it, it is told in any case.
    pub fn take(
        &mut self,
        event: &Event,
        message: &Message,
        more: &BTreeMap<String, String>,
        wanted: bool,
    ) -> Vec<Alert> {
        let attack = About::Attack(event.attack, event.subject);
        let handshakes = About::Handshakes(event.attack, event.subject);
        let new = |name: &str, starts: Timestamp, ends: Ends| alert(name, message, more, starts, ends);
        match &event.what {
            What::AttackStarted { delay_ms, .. } if wanted => {
                let delay = SignedDuration::from_millis(i64::try_from(*delay_ms).unwrap_or(0));
                let starts = event.at.saturating_sub(delay).unwrap_or(event.at);
                self.begin(attack, new("LeveeAttack", starts, Ends::WhenSilent))
            }
            What::HandshakesFalling { .. } if wanted && event.attack.is_some() => {
                self.begin(handshakes, new("LeveeHandshakesFalling", event.at, Ends::WhenSilent))
            }
            What::HostSaturated { .. } if wanted => {
                self.begin(About::Host, new("LeveeHostSaturated", event.at, Ends::WhenSilent))
            }
            What::AttackEnded { .. } => self.end(&[attack, handshakes], event.at, message),
            What::HostRecovered => self.end(&[About::Host], event.at, message),
            What::VectorAdded { .. } | What::RungChanged { .. } if self.lasting.contains_key(&attack) => {
                self.tell(attack, message)
            }
            what if wanted => {
                let ends = Ends::At(event.at.saturating_add(MOMENT).unwrap_or(event.at));
                vec![new(&camel(what.name()), event.at, ends)]
            }
            _ => Vec::new(),
        }
    }

    /// All that last.
    #[must_use]
    pub fn lasting(&self) -> Vec<Alert> {
        self.lasting.values().cloned().collect()
    }

    /// Whether any lasts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lasting.is_empty()
    }

    /// Ends may have been missed: none is held on to, and what does not last ends by silence.
    pub fn forget(&mut self) {
        self.lasting.clear();
    }

    fn begin(&mut self, about: About, alert: Alert) -> Vec<Alert> {
        if self.lasting.len() < MOST || self.lasting.contains_key(&about) {
            self.lasting.insert(about, alert.clone());
        }
        vec![alert]
    }

    fn tell(&mut self, about: About, message: &Message) -> Vec<Alert> {
        let Some(alert) = self.lasting.get_mut(&about) else {
            return Vec::new();
        };
        alert.annotations.insert("latest".to_owned(), message.text.clone());
        vec![alert.clone()]
    }

    fn end(&mut self, abouts: &[About], at: Timestamp, message: &Message) -> Vec<Alert> {
        let ended = abouts.iter().filter_map(|about| self.lasting.remove(about));
        let ended = ended.map(|mut alert| {
            alert.annotations.insert("latest".to_owned(), message.text.clone());
            alert.ends = Ends::At(at);
            alert
        });
        ended.collect()
    }
}

/// A test: an alert that pages nobody who goes by the severity, and ends after a minute.
#[must_use]
pub(super) fn test(message: &Message, more: &BTreeMap<String, String>) -> Alert {
    let ends = message
        .at
        .saturating_add(SignedDuration::from_mins(1))
        .unwrap_or(message.at);
    alert("LeveeTest", message, more, message.at, Ends::At(ends))
}

fn alert(name: &str, message: &Message, more: &BTreeMap<String, String>, starts: Timestamp, ends: Ends) -> Alert {
    let mut labels = more.clone();
    let severity = serde_json::to_value(message.severity).unwrap_or_default();
    let own = [
        ("alertname", Some(name.to_owned())),
        ("severity", severity.as_str().map(str::to_owned)),
        ("instance", Some(message.host.clone())),
        ("subject", message.subject.map(|subject| subject.to_string())),
        ("attack", message.attack.map(|number| number.to_string())),
    ];
    labels.extend(
        own.into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    let annotations = BTreeMap::from([("summary".to_owned(), message.text.clone())]);
    Alert {
        labels,
        annotations,
        starts,
        ends,
    }
}

/// `rung_changed` as `LeveeRungChanged`.
fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    format!("Levee{}", words.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{detect::AttackVector, ladder::Rung};

    fn event(at: &str, what: What) -> Event {
        Event {
            at: at.parse().expect("time"),
            subject: Some("203.0.113.7".parse().expect("subject")),
            attack: Some(12),
            what,
        }
    }

    fn take(alerts: &mut Alerts, event: &Event, wanted: bool) -> Vec<Alert> {
        let more = BTreeMap::from([("team".to_owned(), "network".to_owned())]);
        alerts.take(event, &Message::of(event, "lb1"), &more, wanted)
    }

    fn started() -> Event {
        let what = What::AttackStarted {
            vectors: [AttackVector::Syn].into(),
            syn: 400_000.0,
            packets: 400_000.0,
            delay_ms: 250,
            elsewhere: None,
        };
        event("2026-03-14T11:08:02.25Z", what)
    }

    #[test]
    fn an_attack_is_one_alert_from_begin_to_end() {
        let mut alerts = Alerts::default();
        let [begun] = &take(&mut alerts, &started(), true)[..] else {
            panic!("one alert")
        };
        assert_eq!(begun.labels["alertname"], "LeveeAttack");
        assert_eq!(begun.labels["attack"], "12");
        assert_eq!(begun.labels["team"], "network");
        assert_eq!(
            begun.starts.to_string(),
            "2026-03-14T11:08:02Z",
            "the onset, not its detection"
        );
        let now = "2026-03-14T11:10:00Z".parse().expect("time");
        let json = begun.json(now, Duration::from_secs(60));
        assert_eq!(json["endsAt"], "2026-03-14T11:14:00Z", "by silence");
        let changed = What::RungChanged {
            from: Rung::Observe,
            to: Rung::Verify,
            why: "over its rate".to_owned(),
            dry_run: false,
        };
        let [told] = &take(&mut alerts, &event("2026-03-14T11:08:03Z", changed), true)[..] else {
            panic!("one alert")
        };
        assert_eq!(told.labels, begun.labels);
        assert!(told.annotations["latest"].contains("verify"));
        assert_eq!(alerts.lasting().len(), 1);
        let ended = event("2026-03-14T11:20:00Z", What::AttackEnded { seconds: 700.0 });
        let [ended] = &take(&mut alerts, &ended, false)[..] else {
            panic!("the end is told even to who wants no ends")
        };
        assert_eq!(ended.labels, begun.labels);
        assert_eq!(
            ended.json(now, Duration::from_secs(60))["endsAt"],
            "2026-03-14T11:20:00Z"
        );
        assert!(alerts.is_empty());
    }

    #[test]
    fn what_nobody_was_told_of_does_not_end() {
        let mut alerts = Alerts::default();
        assert!(take(&mut alerts, &started(), false).is_empty());
        let ended = event("2026-03-14T11:20:00Z", What::AttackEnded { seconds: 700.0 });
        assert!(take(&mut alerts, &ended, true).is_empty());
    }

    #[test]
    fn what_only_happens_ends_by_itself() {
        let mut alerts = Alerts::default();
        let notice = event("2026-03-14T11:20:00Z", What::Notice { text: "x".to_owned() });
        let [notice] = &take(&mut alerts, &notice, true)[..] else {
            panic!("one alert")
        };
        assert_eq!(notice.labels["alertname"], "LeveeNotice");
        assert_eq!(notice.ends, Ends::At("2026-03-14T11:25:00Z".parse().expect("time")));
        assert!(alerts.is_empty());
    }
}
