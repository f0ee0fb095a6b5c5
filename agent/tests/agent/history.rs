//! What happened, over restarts: attacks, events, what was learned.

use std::path::Path;

use agent::{
    detect::{Attack, AttackVector, Event, Peaks, Subject, What},
    ledger::Ledger,
    tables::Rung,
};
use jiff::{Timestamp, ToSpan as _};

use crate::support::noon;

pub(crate) fn attack(id: u64, started: Timestamp) -> Attack {
    Attack {
        id,
        subject: Subject::Address("203.0.113.7".parse().expect("address")),
        started,
        detected: started + 300.milliseconds(),
        last_excess: started + 90.seconds(),
        ended: None,
        vectors: [AttackVector::Syn].into(),
        rungs: [Rung::Verify].into(),
        peaks: Peaks {
            syn: 123_456.0,
            ..Peaks::default()
        },
        impact_seconds: 12.5,
    }
}

pub(crate) fn event(at: Timestamp, attack: Option<u64>, what: What) -> Event {
    Event {
        at,
        subject: Some(Subject::Address("203.0.113.7".parse().expect("address"))),
        attack,
        what,
    }
}

fn open(directory: &Path) -> Ledger {
    let (ledger, warnings) = Ledger::open(directory, noon().wall);
    assert_eq!(warnings, [""; 0]);
    ledger
}

#[test]
fn attacks_and_events_survive_a_restart_and_numbers_go_on() {
    let directory = tempfile::tempdir().expect("directory");
    let mut ledger = open(directory.path());
    let id = ledger.next_attack_id();
    assert_eq!(id, 1);
    let mut attack = attack(id, noon().wall);
    ledger.put_attack(&attack);
    attack.impact_seconds = 20.0;
    ledger.put_attack(&attack);
    let told = ledger.record_event(event(
        noon().wall,
        Some(id),
        What::VectorAdded {
            vector: AttackVector::Udp,
        },
    ));
    assert_eq!(told.id, 1);
    assert_eq!(
        ledger.attacks(10).expect("reads"),
        [attack.clone()],
        "what was put is there at once"
    );
    drop(ledger);
    let mut ledger = open(directory.path());
    assert_eq!(ledger.attack(id).expect("reads"), Some(attack.clone()));
    assert_eq!(ledger.open_attacks().expect("reads"), [attack]);
    assert_eq!(ledger.attack(2).expect("reads"), None);
    assert_eq!(ledger.events(0, 10).expect("reads"), [told]);
    assert_eq!(ledger.next_attack_id(), 2);
    let next = ledger.record_event(event(noon().wall, None, What::HostRecovered));
    assert_eq!(next.id, 2);
    assert_eq!(ledger.events(1, 10).expect("reads"), [next]);
}

#[test]
fn what_was_learned_survives_a_restart() {
    let directory = tempfile::tempdir().expect("directory");
    let subject: Subject = "group 203.0.113.0/24".parse().expect("subject");
    let mut ledger = open(directory.path());
    ledger.put_baselines(noon().wall, vec![(subject, vec![1, 2, 3])]);
    ledger.put_baselines(noon().wall, vec![(subject, vec![4, 5])]);
    drop(ledger);
    assert_eq!(
        open(directory.path()).baselines().expect("reads"),
        [(subject, noon().wall, vec![4, 5])]
    );
}
