//! What happened, over restarts: attacks, events, what was learned.

use std::{
    fs,
    io::{BufRead as _, Write as _},
    net::IpAddr,
    path::Path,
};

use agent::{
    clock::Now,
    detect::{Attack, AttackVector, Event, HostObservation, Observation, Peaks, Rates, Standing, Subject, Tick, What},
    ledger::{JournalEntry, Ledger},
    overrides::{Change, ListOverride, Origin},
    tables::{ListAction, Rung},
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
        fleet: None,
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

/// A tick of a tenth of a second that ends at an instant, with the victim and a neighbour.
fn tick(at: Now, syn: f64, handshakes: f64) -> Tick {
    let observation = |address: &str, rates: Rates| Observation {
        subject: Subject::Address(address.parse().expect("address")),
        rates,
        standing: Standing {
            syn_threshold: Some(20_000.0),
            excess: syn > 20_000.0,
            rung: if syn > 20_000.0 { Rung::Verify } else { Rung::Limit },
            counts_handshakes: true,
        },
    };
    let rates = Rates {
        syn,
        handshakes,
        passed: handshakes,
        dropped: syn - handshakes,
        ..Rates::default()
    };
    Tick {
        elsewhere: std::collections::BTreeMap::new(),
        at,
        seconds: 0.1,
        subjects: vec![
            observation("203.0.113.7", rates),
            observation("203.0.113.8", Rates::default()),
        ],
        host: HostObservation {
            softirq: 0.5,
            ..HostObservation::default()
        },
    }
}

/// So many tenths of a second after noon, on both clocks.
fn tenth(number: i64) -> Now {
    let passed = std::time::Duration::from_millis(u64::try_from(number).expect("a tenth") * 100);
    let expiry = noon().plus(passed);
    Now {
        wall: expiry.wall,
        mono: expiry.mono,
    }
}

fn victim() -> Subject {
    Subject::Address("203.0.113.7".parse().expect("address"))
}

fn near(value: f64, expected: f64) -> bool {
    (value / expected - 1.0).abs() < 0.06
}

#[test]
fn rates_are_kept_by_the_minute_and_by_the_second_around_attacks() {
    let directory = tempfile::tempdir().expect("directory");
    let mut ledger = open(directory.path());
    for number in 1..=1_800 {
        // A minute of calm, half a minute of flood, calm again.
        let flood = (601..=900).contains(&number);
        let syn = if flood { 100_000.0 } else { 50.0 };
        ledger.record_rates(&tick(tenth(number), syn, 50.0));
        if number == 605 {
            ledger.put_attack(&attack(1, tenth(600).wall));
        }
        if number == 905 {
            let ended = Attack {
                ended: Some(tenth(900).wall),
                ..attack(1, tenth(600).wall)
            };
            ledger.put_attack(&ended);
        }
    }
    drop(ledger);
    let ledger = open(directory.path());
    let all = (noon().wall - 1.hour(), noon().wall + 1.hour());
    let minutes = ledger.rates(all, None).expect("reads");
    let observed: f64 = minutes.iter().map(|minute| minute.seconds).sum();
    assert!((observed - 180.0).abs() < 0.01, "{observed}");
    assert_eq!(minutes.len(), 3, "minutes are those of the clock");
    for minute in &minutes {
        assert!((minute.host.softirq - 0.5).abs() < 1e-6);
        assert_eq!(minute.rows.len(), 1, "who had no traffic is not there");
        assert_eq!(minute.rows[0].subject, victim());
        assert_eq!(minute.rows[0].standing.syn_threshold, Some(20_000.0));
    }
    let calm = &minutes[0].rows[0];
    assert!(
        near(calm.rates.syn, 50.0) && near(calm.rates.handshakes, 50.0),
        "{calm:?}"
    );
    assert_eq!((calm.standing.excess, calm.standing.rung), (false, Rung::Limit));
    let flood = &minutes[1].rows[0];
    assert!(
        near(flood.peaks.syn, 100_000.0) && near(flood.peaks.unproven, 99_950.0),
        "{flood:?}"
    );
    assert!(near(flood.rates.syn, 50_025.0), "{flood:?}");
    assert_eq!((flood.standing.excess, flood.standing.rung), (true, Rung::Verify));
    let seconds = ledger
        .history()
        .ask_now(move |reader| reader.seconds(victim(), all))
        .expect("reads");
    let first = seconds.first().expect("seconds").from.duration_since(noon().wall);
    assert!(
        (29.0..=31.0).contains(&first.as_secs_f64()),
        "half a minute before: {first:?}"
    );
    let last = seconds.last().expect("seconds").from.duration_since(noon().wall);
    assert!(
        (118.0..=122.0).contains(&last.as_secs_f64()),
        "half a minute after: {last:?}"
    );
    let floods = seconds.iter().filter(|second| second.rates.syn > 99_999.0).count();
    assert!((29..=30).contains(&floods), "{floods}");
    let neighbour = Subject::Address("203.0.113.8".parse().expect("address"));
    let none = ledger.history().ask_now(move |reader| reader.seconds(neighbour, all));
    assert_eq!(none.expect("reads"), []);
}

#[test]
fn steps_of_the_clock_lose_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let mut ledger = open(directory.path());
    let steps = [0, 86_400 * 400, -86_400 * 30, 1];
    for (round, step) in (0..).zip(steps) {
        for number in 1..=300 {
            let at = tenth(round * 300 + number);
            let stepped = Now {
                wall: at.wall + step.seconds(),
                ..at
            };
            ledger.record_rates(&tick(stepped, 50.0, 50.0));
        }
    }
    drop(ledger);
    let all = (Timestamp::MIN, Timestamp::MAX);
    let observed: f64 = open(directory.path())
        .rates(all, None)
        .expect("reads")
        .iter()
        .map(|minute| minute.seconds)
        .sum();
    assert!((observed - 120.0).abs() < 0.01, "{observed}");
}

#[test]
fn a_history_gone_bad_is_kept_aside_and_the_blocks_stay() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("history.db");
    let mut ledger = open(directory.path());
    for number in 0..3_000 {
        let text = format!("notice {number}");
        ledger.record_event(event(noon().wall, None, What::Notice { text }));
    }
    drop(ledger);
    let mut bytes = fs::read(&path).expect("reads");
    let (begin, end) = (bytes.len() / 4, bytes.len() / 2);
    bytes[begin..end].fill(0x5a);
    fs::write(&path, &bytes).expect("writes");
    let mut ledger = open(directory.path());
    let opened = std::time::Instant::now();
    let problem = loop {
        // Found by who reads, or by the look at every page some seconds after the start.
        if let Some(problem) = ledger.history().problem() {
            break problem;
        }
        assert!(opened.elapsed().as_secs() < 60, "it is told");
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    let told = ledger.record_event(event(noon().wall, None, What::HostRecovered));
    assert!(told.id > 3_000, "numbers go on");
    assert_eq!(ledger.events(0, 10).expect("the new one works"), [told]);
    assert!(problem.contains("history.db.unreadable-"), "{problem}");
    let kept = fs::read_dir(directory.path())
        .expect("lists")
        .filter_map(Result::ok)
        .find(|file| file.file_name().to_string_lossy().starts_with("history.db.unreadable-"))
        .expect("the bad one is kept");
    let kept = fs::read(kept.path()).expect("reads");
    assert!(kept[begin..end] == bytes[begin..end], "as it was: nobody has mended it");
    assert_eq!(kept.len(), bytes.len());
}

#[test]
fn a_newer_history_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().expect("directory");
    drop(open(directory.path()));
    let path = directory.path().join("history.db");
    let connection = rusqlite::Connection::open(&path).expect("opens");
    connection.pragma_update(None, "user_version", 99).expect("writes");
    drop(connection);
    let before = fs::read(&path).expect("reads");
    let refused = Ledger::refuse_newer(directory.path()).expect_err("newer").to_string();
    assert!(
        refused.contains("history.db was written by a newer agent (version 99"),
        "{refused}"
    );
    let (ledger, warnings) = Ledger::open(directory.path(), noon().wall);
    assert!(warnings[0].contains("newer agent (version 99"), "{warnings:?}");
    assert_eq!(ledger.attacks(10).expect("reads"), []);
    drop(ledger);
    assert_eq!(fs::read(&path).expect("reads"), before);
}

/// Where the child writes.
const CHILD_DIRECTORY: &str = "LEVEE_TEST_LEDGER";

#[test]
#[ignore = "the child of the test below"]
fn writes_until_it_is_killed() {
    let directory = std::env::var(CHILD_DIRECTORY).expect("the parent says where");
    let mut ledger = open(Path::new(&directory));
    let mut out = std::io::stdout();
    for number in 0_u32.. {
        let now = tenth(i64::from(number));
        ledger.record_rates(&tick(now, f64::from(number % 1_000), 1.0));
        ledger.put_attack(&attack(u64::from(number) + 1, now.wall));
        let loud = What::HostSaturated {
            receive_drops: 1.0,
            softirq: 1.0,
        };
        ledger.record_event(event(now.wall, Some(u64::from(number) + 1), loud));
        if number % 50 == 0 {
            let net = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number);
            let origin = Origin {
                actor: "test".to_owned(),
                reason: None,
                since: now.wall,
                until: None,
            };
            let entry = ListOverride {
                action: ListAction::Block,
                origin,
            };
            let change = Change::PutEntry(IpAddr::from(net).into(), entry);
            ledger.record(&[change], &command()).expect("records");
            writeln!(out, "blocked {net}").expect("the parent reads");
            out.flush().expect("the parent reads");
        }
    }
}

fn command() -> JournalEntry {
    JournalEntry {
        at: noon().wall,
        actor: "test".to_owned(),
        command: "block-ip".to_owned(),
        reason: None,
        succeeded: true,
        result: "Blocked.".to_owned(),
    }
}

#[test]
fn killed_while_writing_it_loses_nothing_that_was_told() {
    let directory = tempfile::tempdir().expect("directory");
    for round in 1..=5 {
        let mut child = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "history::writes_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD_DIRECTORY, directory.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = std::io::BufReader::new(child.stdout.take().expect("piped")).lines();
        let told: Vec<String> = lines
            .map_while(Result::ok)
            .filter_map(|line| Some(line.split_once("blocked ")?.1.to_owned()))
            .take(10 * round)
            .collect();
        assert_eq!(told.len(), 10 * round, "the child works");
        child.kill().expect("SIGKILL");
        child.wait().expect("is gone");
        let mut ledger = open(directory.path());
        let (overrides, unclear) = ledger.overrides(noon()).expect("reads");
        assert_eq!(unclear, [""; 0]);
        for address in told {
            let prefix = agent::config::prefix::parse(&address).expect("an address");
            assert!(overrides.list.contains_key(&prefix), "{address} was told to be blocked");
        }
        let attacks = ledger.attacks(usize::MAX).expect("reads");
        let events = ledger.events(0, usize::MAX).expect("reads");
        assert_eq!(ledger.history().problem(), None);
        if round > 1 {
            assert!(
                !attacks.is_empty() && !events.is_empty(),
                "what is older than a second is there"
            );
        }
        ledger.rates((Timestamp::MIN, Timestamp::MAX), None).expect("reads");
    }
}
