//! Post-mortems from a ledger that was filled by hand: numbers, forms, and what others put into reasons.

use std::path::Path;

use agent::{
    clock::Now,
    detect::{Attack, AttackVector, HostObservation, Observation, Peaks, Rates, Standing, Subject, Tick, What},
    ledger::{AttackTalker, AttackTalkers, JournalEntry, Ledger},
    report::{self, Capture, Format, Report, bundle},
    tables::Rung,
};
use assert_cmd::Command;
use jiff::{ToSpan as _, tz::TimeZone};

use crate::{
    history::event,
    support::{net, noon},
};

/// What somebody hostile may put where text goes.
const HOSTILE: &str = "<script>alert(1)</script> & \"quotes\" | [link](http://evil.example) \u{1b}[31m\u{7}\nnew line";

fn victim() -> Subject {
    Subject::Address("203.0.113.7".parse().expect("address"))
}

fn attack() -> Attack {
    Attack {
        id: 1,
        subject: victim(),
        started: noon().wall + 60.seconds(),
        detected: noon().wall + 60.seconds() + 300.milliseconds(),
        last_excess: noon().wall + 150.seconds(),
        ended: Some(noon().wall + 150.seconds()),
        vectors: [AttackVector::Syn, AttackVector::Udp].into(),
        rungs: [Rung::Limit, Rung::Verify].into(),
        peaks: Peaks {
            syn: 412_000.0,
            unproven: 411_000.0,
            packets: 450_000.0,
            dropped: 440_000.0,
            replied: 9_000.0,
            distinct_sources: 300_000.0,
        },
        impact_seconds: 45.0,
        fleet: None,
    }
}

fn tick(tenths: i64, rates: Rates) -> Tick {
    let passed = std::time::Duration::from_millis(u64::try_from(tenths).expect("a tenth") * 100);
    let at = noon().plus(passed);
    Tick {
        elsewhere: std::collections::BTreeMap::new(),
        at: Now {
            wall: at.wall,
            mono: at.mono,
        },
        seconds: 0.1,
        subjects: vec![Observation {
            subject: victim(),
            rates,
            standing: Standing {
                syn_threshold: Some(20_000.0),
                excess: rates.syn > 20_000.0,
                rung: if rates.syn > 20_000.0 {
                    Rung::Verify
                } else {
                    Rung::Limit
                },
                counts_handshakes: true,
            },
        }],
        host: HostObservation::default(),
    }
}

/// A minute of calm, ninety seconds of attack, and a minute after it; with what was told and done.
fn fill(directory: &Path) {
    let (mut ledger, _) = Ledger::open(directory, noon().wall);
    let attack = attack();
    for tenths in 1..=2_100 {
        let under = (601..=1_500).contains(&tenths);
        let rates = if under {
            Rates {
                syn: 400_000.0,
                handshakes: 60.0,
                udp: 5_000.0,
                passed: 1_000.0,
                dropped: 395_000.0,
                replied: 9_000.0,
                ..Rates::default()
            }
        } else {
            Rates {
                syn: 150.0,
                handshakes: 140.0,
                tcp: 3_000.0,
                passed: 3_150.0,
                ..Rates::default()
            }
        };
        ledger.record_rates(&tick(tenths, rates));
        if tenths == 604 {
            let open = Attack {
                ended: None,
                ..attack.clone()
            };
            ledger.put_attack(&open);
        }
    }
    ledger.put_attack(&attack);
    let started = What::AttackStarted {
        vectors: [AttackVector::Syn].into(),
        syn: 400_000.0,
        packets: 405_000.0,
        delay_ms: 300,
        elsewhere: None,
    };
    ledger.record_event(event(attack.detected, Some(1), started));
    let why = format!("more sources than it can answer {HOSTILE}");
    let rung = What::RungChanged {
        from: Rung::Limit,
        to: Rung::Verify,
        why,
        dry_run: false,
    };
    ledger.record_event(event(attack.detected + 1.second(), Some(1), rung));
    ledger.record_event(event(
        attack.last_excess + 30.seconds(),
        Some(1),
        What::AttackEnded { seconds: 90.0 },
    ));
    let entry = JournalEntry {
        at: attack.started + 30.seconds(),
        actor: "uid=0 (root) pid=4711".to_owned(),
        command: "block-ip 198.51.100.0/24".to_owned(),
        reason: Some(HOSTILE.to_owned()),
        succeeded: true,
        result: "Blocked 198.51.100.0/24.".to_owned(),
    };
    ledger.record(&[], &entry).expect("records");
    let before = JournalEntry {
        at: attack.started - 2.hours(),
        command: "mode set enforce".to_owned(),
        ..entry
    };
    ledger.record(&[], &before).expect("records");
    let talker = |prefix: &str, packets| AttackTalker {
        prefix: net(prefix),
        packets,
        syns: packets / 2.0,
        drops: packets,
        peak_pps: packets / 60.0,
    };
    ledger.put_talkers(
        1,
        &AttackTalkers {
            sources: vec![talker("198.51.100.9", 9_000_000.0)],
            prefixes: vec![talker("198.51.100.0/24", 21_000_000.0), talker("2001:db8::/48", 5.0)],
        },
    );
}

fn gathered(directory: &Path, captures: Vec<Capture>) -> Report {
    let (mut ledger, _) = Ledger::open(directory, noon().wall);
    let commands = ledger
        .journal_between(report::commands_of(&attack()), 100)
        .expect("reads");
    ledger
        .history()
        .ask_now(move |reader| report::gather(reader, attack(), commands, captures))
        .expect("gathers")
}

#[test]
fn the_numbers_are_right() {
    let directory = tempfile::tempdir().expect("directory");
    fill(directory.path());
    let report = gathered(directory.path(), Vec::new());
    assert_eq!(
        (report.seconds, report.detection_ms, report.impact_minutes),
        (90.0, 300, 0.75)
    );
    let who: Vec<Option<&str>> = report.timeline.iter().map(|moment| moment.actor.as_deref()).collect();
    assert_eq!(
        who,
        [None, None, Some("uid=0 (root) pid=4711"), None],
        "in order, without what was long before"
    );
    assert!(
        report.timeline[0].text.contains("Attack 1 on 203.0.113.7 began"),
        "{:?}",
        report.timeline[0]
    );
    assert_eq!(report.timeline[2].reason.as_deref(), Some(HOSTILE));
    let total =
        |of: fn(&Rates) -> f64| -> f64 { report.rates.iter().map(|point| of(&point.rates) * point.seconds).sum() };
    let syns = 90.0 * 400_000.0 + 120.0 * 150.0;
    assert!(
        (total(|rates| rates.syn) / syns - 1.0).abs() < 0.02,
        "{}",
        total(|rates| rates.syn)
    );
    assert!(report.rates.windows(2).all(|pair| pair[0].from <= pair[1].from));
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("all traffic to protected addresses"))
    );
    assert!(
        report.notes.iter().any(|note| note.contains("No packets")),
        "{:?}",
        report.notes
    );
    let json = report.write(Format::Json, &TimeZone::UTC).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Report>(&json).expect("reads back").attack,
        report.attack
    );
}

#[test]
fn html_is_whole_and_nothing_from_elsewhere_is_markup() {
    let directory = tempfile::tempdir().expect("directory");
    fill(directory.path());
    let report = gathered(directory.path(), Vec::new());
    let html = report.write(Format::Html, &TimeZone::UTC).expect("HTML");
    well_formed(&html);
    assert!(!html.contains("<script"), "no script is in it");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quotes&quot;"));
    assert!(!html.contains('\u{1b}') && !html.contains('\u{7}'));
    for elsewhere in ["src=", "href=", "url(", "@import", "<link"] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
    assert_eq!(html.matches("<svg").count(), 4, "SYNs, handshakes, verdicts, vectors");
    assert!(html.contains("12:01:00.300"), "times of the zone");
    let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
    assert!(
        report
            .write(Format::Html, &berlin)
            .expect("HTML")
            .contains("14:01:00.300")
    );
}

#[test]
fn markdown_keeps_its_tables_whatever_is_in_a_reason() {
    let directory = tempfile::tempdir().expect("directory");
    fill(directory.path());
    let report = gathered(directory.path(), Vec::new());
    let text = report.write(Format::Md, &TimeZone::UTC).expect("Markdown");
    assert!(text.contains("\\<script\\>alert(1)"), "{text}");
    assert!(text.contains("| Minutes of customer impact | 0.8 |"), "{text}");
    let timeline: Vec<&str> = text
        .split("## What happened")
        .nth(1)
        .and_then(|rest| rest.split("##").next())
        .expect("a timeline")
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    assert_eq!(timeline.len(), 2 + 4, "a head and four lines: {timeline:?}");
    for line in timeline {
        assert_eq!(line.replace("\\|", "").matches('|').count(), 4, "{line}");
    }
}

#[test]
fn without_data_there_is_still_a_report() {
    let directory = tempfile::tempdir().expect("directory");
    for (ended, seconds) in [(None, 90.0), (Some(noon().wall + 60.seconds()), 0.0)] {
        let empty = Attack {
            ended,
            impact_seconds: 0.0,
            vectors: [].into(),
            rungs: [].into(),
            ..attack()
        };
        let (ledger, _) = Ledger::open(directory.path(), noon().wall);
        let report = ledger
            .history()
            .ask_now(move |reader| report::gather(reader, empty, Vec::new(), Vec::new()))
            .expect("gathers");
        assert_eq!(report.seconds, seconds);
        assert!(
            report.notes.iter().any(|note| note.contains("No rates")),
            "{:?}",
            report.notes
        );
        well_formed(&report.write(Format::Html, &TimeZone::UTC).expect("HTML"));
        assert!(
            report
                .write(Format::Md, &TimeZone::UTC)
                .expect("Markdown")
                .contains("None are recorded.")
        );
        let mut tar = Vec::new();
        assert_eq!(
            bundle::write(&report, &TimeZone::UTC, &mut tar).expect("writes"),
            [""; 0]
        );
    }
}

#[test]
fn the_bundle_has_everything() {
    let directory = tempfile::tempdir().expect("directory");
    fill(directory.path());
    let captures = directory.path().join("captures");
    std::fs::create_dir(&captures).expect("directory");
    for name in ["attack-1.pcapng", "attack-12.pcapng"] {
        std::fs::write(captures.join(name), b"packets").expect("writes");
    }
    let found = report::captures(directory.path(), &attack());
    assert_eq!(found.len(), 1, "its own, not attack 12's: {found:?}");
    let gone = Capture {
        path: captures.join("attack-1-gone.pcapng"),
        bytes: 1,
    };
    let report = gathered(directory.path(), [found, vec![gone]].concat());
    let mut tar = Vec::new();
    let left_out = bundle::write(&report, &TimeZone::UTC, &mut tar).expect("writes");
    assert!(
        matches!(&left_out[..], [only] if only.contains("attack-1-gone.pcapng is left out")),
        "{left_out:?}"
    );
    let mut files = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(&tar[..]).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("reads");
        files.insert(name, bytes);
    }
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "attack-1/captures/attack-1.pcapng",
            "attack-1/handshakes.svg",
            "attack-1/rates.csv",
            "attack-1/report.html",
            "attack-1/report.md",
            "attack-1/summary.json",
            "attack-1/syns.svg",
            "attack-1/vectors.svg",
            "attack-1/verdicts.svg"
        ]
    );
    assert_eq!(files["attack-1/captures/attack-1.pcapng"], b"packets");
    let csv = String::from_utf8(files["attack-1/rates.csv"].clone()).expect("text");
    assert_eq!(csv.lines().count(), 1 + report.rates.len());
    assert!(csv.lines().all(|line| line.split(',').count() == 20));
}

#[test]
fn the_command_line_reads_the_ledger_of_a_dead_agent() {
    let directory = tempfile::tempdir().expect("directory");
    fill(directory.path());
    let config = directory.path().join("agent.toml");
    let text = format!(
        "interfaces = [\"lo\"]\n[control]\nsocket = \"{0}/agent.sock\"\n[state]\ndirectory = \"{0}\"\n",
        directory.path().display()
    );
    std::fs::write(&config, text).expect("writes");
    let agent = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_agent"))
            .arg("--config")
            .arg(&config)
            .args(arguments)
            .output()
            .expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, error) = agent(&["attacks", "--all"]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    assert!(
        out.contains("203.0.113.7") && out.contains("1m 30s") && out.contains("412.0k"),
        "{out}"
    );
    let (_, out, _) = agent(&["attacks"]);
    assert!(out.contains("--all shows older ones"), "{out}");
    let (code, out, _) = agent(&["attacks", "show", "1"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("customers were hurt for 0.8 minutes"), "{out}");
    assert!(
        out.contains("block-ip 198.51.100.0/24") && !out.contains('\u{1b}'),
        "{out}"
    );
    let (code, _, error) = agent(&["attacks", "show", "7"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("there is no attack 7"), "{error}");
    let (code, out, _) = agent(&["events", "--attack", "1"]);
    assert_eq!((code, out.lines().count()), (Some(0), 3), "{out}");
    let (code, out, _) = agent(&["--json", "events", "--since", "2025-06-01"]);
    assert_eq!(code, Some(0));
    let events: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(events[0]["event"], "attack_started");
    assert_eq!(
        (&events[0]["severity"], &events[0]["id"]),
        (&"critical".into(), &1.into())
    );
    let file = directory.path().join("report.html");
    let name = file.to_str().expect("text");
    let (code, out, error) = agent(&[
        "report",
        "1",
        "--format",
        "html",
        "--output",
        name,
        "--time-zone",
        "UTC",
    ]);
    assert_eq!((code, out), (Some(0), format!("Wrote {name}.\n")), "{error}");
    well_formed(&std::fs::read_to_string(file).expect("reads"));
}

/// Elements that have no end tag.
const VOID: [&str; 2] = ["meta", "!DOCTYPE"];

/// Every element that begins ends, in order; what is between tags holds no tag.
fn well_formed(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(begin) = rest.find('<') {
        let end = begin + rest[begin..].find('>').expect("a tag ends");
        let tag = &rest[begin + 1..end];
        rest = &rest[end + 1..];
        assert!(!tag.contains('<'), "<{tag}>");
        let name = tag.split([' ', '\n', '/']).next().unwrap_or_default();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "in order");
        } else if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
