//! `agent baseline show`.

use clap::Subcommand;
use jiff::Timestamp;

use super::{
    context::{Context, parse_subject},
    print,
};
use crate::{
    decide::{Refusal, say},
    detect::{
        AttackVector, Subject,
        baseline::{BINS, Baseline, Bin, Usual},
    },
};

/// Show what is usual for each address and group, as the agent has learned it
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What is usual now for all of them, or hour by hour for one
    ///
    /// The agent learns from calm alone: minutes in which something was amiss are left out and counted, and a rate that rises
    /// faster than a quarter from day to day is held back and counted. Rates are per second; hours are in UTC. Works while the
    /// agent is dead: what was learned is in its state directory, as of the last full hour.
    #[command(after_help = "Examples:
  agent baseline show                          all of them, now
  agent baseline show 203.0.113.7              hour by hour
  agent baseline show 203.0.113.0/24")]
    Show {
        /// Protected address, or the prefix of a group
        #[arg(value_name = "ADDR|CIDR", value_parser = parse_subject)]
        subject: Option<Subject>,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let What::Show { subject } = &args.what;
    let mut learned = context.learned()?;
    if let Some(subject) = subject {
        learned.retain(|(found, _)| found == subject);
        let Some((_, baseline)) = learned.first() else {
            let hint =
                "`agent baseline show` shows what is; an address is learned after its first full hour".to_owned();
            return Err(Refusal::not_found(format!("nothing was learned of {subject} yet"), Some(hint)).into());
        };
        if !context.json {
            one(*subject, baseline);
            return Ok(());
        }
    }
    if context.json {
        return print::json(&learned.into_iter().collect::<std::collections::BTreeMap<_, _>>());
    }
    all(&learned, Timestamp::now());
    Ok(())
}

fn all(learned: &[(Subject, Baseline)], now: Timestamp) {
    if learned.is_empty() {
        println!("Nothing was learned yet: the first full hour is taken in when it is over.");
        return;
    }
    let headings = [
        "TARGET",
        "HOURS",
        "SYN/S NOW",
        "UP TO",
        "UNPROVEN UP TO",
        "HANDSHAKES/S",
        "BUSIEST HOUR",
        "LEFT OUT",
        "HELD BACK",
        "LATEST",
    ];
    let mut table = print::table(&headings, &[1, 2, 3, 4, 5, 6, 7, 8]);
    for (subject, baseline) in learned {
        let usual = baseline.usual(now);
        let rate = |of: fn(&Usual) -> f64| usual.as_ref().map_or_else(dash, |usual| print::rate(of(usual)));
        let busiest = baseline
            .bins
            .iter()
            .map(|bin| f64::from(bin.syn.level))
            .fold(0.0, f64::max);
        table.add_row([
            subject.to_string(),
            baseline.hours.to_string(),
            rate(|usual| usual.syn.level),
            rate(|usual| usual.syn.high),
            rate(|usual| usual.unproven.high),
            rate(|usual| usual.answered.level),
            print::rate(busiest),
            format!("{:.0} min", baseline.left_out_minutes),
            baseline.held_back.to_string(),
            baseline.learned.map_or_else(dash, say::instant),
        ]);
    }
    print::print(&table);
}

fn one(subject: Subject, baseline: &Baseline) {
    println!(
        "{subject}: {} hours learned, {:.0} minutes left out because something was amiss, {} times held back.",
        baseline.hours, baseline.left_out_minutes, baseline.held_back
    );
    let others = AttackVector::ALL.into_iter().filter_map(|vector| {
        let crest = baseline.crest(vector).filter(|crest| *crest > 0.0)?;
        Some(format!("{vector} {}/s", print::rate(crest)))
    });
    let others: Vec<String> = others.collect();
    if !others.is_empty() {
        println!("Busiest usual hours of the rest: {}.", others.join(", "));
    }
    let headings = [
        "HOUR (UTC)",
        "MON-FRI",
        "SYN/S",
        "UP TO",
        "UNPROVEN UP TO",
        "SAT-SUN",
        "SYN/S",
        "UP TO",
        "UNPROVEN UP TO",
    ];
    let mut table = print::table(&headings, &[1, 2, 3, 4, 5, 6, 7, 8]);
    for hour in 0..BINS / 2 {
        let mut row = vec![format!("{hour:02}")];
        for index in [hour, hour + BINS / 2] {
            let bin = baseline.bins.get(index).filter(|bin| bin.visits > 0);
            let cell = |of: fn(&Bin) -> String| bin.map_or_else(dash, of);
            row.extend([
                cell(|bin| format!("{}x", bin.visits)),
                cell(|bin| print::rate(f64::from(bin.syn.level))),
                cell(|bin| print::rate(bin.syn.high())),
                cell(|bin| print::rate(bin.unproven.high())),
            ]);
        }
        table.add_row(row);
    }
    print::print(&table);
}

fn dash() -> String {
    "-".to_owned()
}
