//! `agent replay`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{context::Context, print, since};
use crate::{
    config::{self, Config},
    decide::say,
    detect::{
        Attack, Baselines, Subject,
        replay::{Proposal, Recorded, RecordedRow, Replay, Score},
    },
    host::HostFacts,
    ledger::{Interval, Reader, SecondRow},
};

/// Seconds of an attack that are looked at closely: so many before it, and so many of it.
const CLOSELY: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(60), SignedDuration::from_secs(600));

/// Score a configuration on recorded traffic: which customers it would have touched, which attacks it would have caught
///
/// Takes thresholds and [detect] of the file that --config names, and changes nothing. What is recorded of a minute are its means
/// and its highest second, around attacks each second: times in which customers are touched are the most that they can have
/// been. Works while the agent is dead; the records are in the state directory.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent replay --config new.toml --since 7d
  agent replay --config new.toml --since 2025-06-01 --json

What is usual is taken as it is known today. Where nothing was recorded, nothing is scored, and it says so.")]
pub(super) struct Args {
    /// From when on: 2h, 7d, 2025-06-01, or "2025-06-01 11:08"
    #[arg(long, value_name = "WHEN", default_value = "7d", value_parser = since::parse)]
    since: Timestamp,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let config = config::load(&context.config, &HostFacts::read().await?)?;
    let now = Timestamp::now();
    let baselines = Baselines::kept(context.learned()?);
    let file = context.history()?;
    let reader = file.reader();
    let attacks: Vec<Attack> = reader
        .attacks(usize::MAX)?
        .into_iter()
        .filter(|attack| attack.ended.unwrap_or(now) >= args.since)
        .collect();
    let mut replay = Replay::new(proposal(&config), baselines, attacks.clone(), args.since);
    let unreadable = reader.each_interval((args.since, now), None, &mut |interval| {
        replay.take(&recorded(interval));
    })?;
    for attack in &attacks {
        replay.look_closely(attack, &seconds(&reader, attack)?);
    }
    let score = replay.finish(now);
    if unreadable > 0 {
        eprintln!("warning: {unreadable} records cannot be read: their time counts as missing");
    }
    if context.json {
        return print::json(&score);
    }
    show(&score);
    Ok(())
}

fn proposal(config: &Config) -> Proposal {
    let addresses = config.protected.iter().map(|(address, protected)| {
        let threshold = f64::from(protected.limit.syn_rate.per_second());
        (Subject::Address(*address), Some(threshold))
    });
    let groups = config.groups.iter().map(|(prefix, group)| {
        let threshold = group.limit.map(|limit| f64::from(limit.syn_rate.per_second()));
        (Subject::Group(*prefix), threshold)
    });
    Proposal {
        thresholds: addresses.chain(groups).collect(),
        policy: config.detect.policy(),
    }
}

fn recorded(interval: Interval) -> Recorded {
    let rows = interval.rows.into_iter().map(|row| RecordedRow {
        subject: row.subject,
        rates: row.rates,
        peak_syn: row.peaks.syn,
        counts_handshakes: row.standing.counts_handshakes,
    });
    Recorded {
        from: interval.from,
        seconds: interval.seconds,
        rows: rows.collect(),
    }
}

fn seconds(reader: &Reader<'_>, attack: &Attack) -> anyhow::Result<Vec<(Timestamp, RecordedRow)>> {
    let from = attack.started.checked_sub(CLOSELY.0).unwrap_or(Timestamp::MIN);
    let until = attack.started.checked_add(CLOSELY.1).unwrap_or(Timestamp::MAX);
    let row = |second: SecondRow| {
        let row = RecordedRow {
            subject: attack.subject,
            rates: second.rates,
            peak_syn: second.rates.syn,
            counts_handshakes: second.standing.counts_handshakes,
        };
        (second.from, row)
    };
    Ok(reader
        .seconds(attack.subject, (from, until))?
        .into_iter()
        .map(row)
        .collect())
}

fn show(score: &Score) {
    let (Some(from), Some(until)) = (score.from, score.until) else {
        println!(
            "Nothing was recorded in that time ({}): there is nothing to score.",
            span(score.missing_seconds)
        );
        return;
    };
    println!(
        "From {} to {}: {} of traffic were recorded.",
        say::instant(from),
        say::instant(until),
        span(score.recorded_seconds)
    );
    if let Some(gap) = score.gaps.first() {
        println!(
            "MISSING: nothing was recorded for {}, first from {} to {}. Nothing is said of that time.",
            span(score.missing_seconds),
            say::instant(gap.from),
            say::instant(gap.until)
        );
    }
    show_attacks(score);
    show_touched(score);
}

fn show_attacks(score: &Score) {
    if score.attacks.is_empty() {
        println!("\nNo attack was recorded.");
    } else {
        println!();
        let mut table = print::table(&["ATTACK", "TARGET", "BEGAN", "FOUND AFTER", "RECORDED BY THE"], &[0]);
        for attack in &score.attacks {
            table.add_row([
                attack.id.to_string(),
                attack.subject.to_string(),
                say::instant(attack.started),
                attack
                    .found_after_seconds
                    .map_or_else(|| "MISSED".to_owned(), |after| format!("{after:.0} s")),
                if attack.resolution_seconds <= 1.0 {
                    "second".to_owned()
                } else {
                    span(attack.resolution_seconds)
                },
            ]);
        }
        print::print(&table);
    }
    if score.more.is_empty() {
        println!("It would have found no other attack.");
        return;
    }
    println!("\nIt would also have called an attack, where none was recorded:");
    let mut table = print::table(&["TARGET", "FROM", "UNTIL", "MADE OF", "SYN/S"], &[4]);
    for found in &score.more {
        table.add_row([
            found.subject.to_string(),
            say::instant(found.started),
            say::instant(found.until),
            found.vectors.join(", "),
            print::rate(found.peak_syn),
        ]);
    }
    print::print(&table);
}

fn show_touched(score: &Score) {
    let touched = || {
        score
            .subjects
            .iter()
            .filter(|(_, subject)| subject.touched_seconds > 0.0)
    };
    let spared = score.subjects.len() - touched().count();
    if touched().next().is_some() {
        println!("\nOutside of attacks, customers would have had to prove themselves:");
        let headings = ["TARGET", "THRESHOLD", "HIGHEST SYN/S", "FOR AT MOST", "HANDSHAKES THEN"];
        let mut table = print::table(&headings, &[1, 2, 3, 4]);
        for (target, subject) in touched() {
            table.add_row([
                target.to_string(),
                subject.threshold.map_or_else(|| "-".to_owned(), print::rate),
                print::rate(subject.highest_calm_syn),
                span(subject.touched_seconds),
                print::rate(subject.touched_handshakes),
            ]);
        }
        print::print(&table);
    }
    println!("\n{spared} addresses and groups would not have been touched outside of attacks.");
}

/// A length of time for people, to the second.
fn span(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.max(0.0).round()).unwrap_or(Duration::MAX);
    humantime::format_duration(whole).to_string()
}
