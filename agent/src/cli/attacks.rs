//! `agent attacks` and `agent attacks show`.

use jiff::Timestamp;

use super::{context::Context, history, print, since};
use crate::{
    control::{
        api::{AttackView, AttacksQuery, EventView},
        view,
    },
    decide::say,
    detect::Attack,
    ledger::AttackTalker,
};

/// Attacks shown without `--since` and `--all`: those that go on, and those of so many days.
const DAYS: i64 = 7;
/// Attacks told at most, unless asked for more.
const MANY: usize = 10_000;
/// Lines of top prefixes and sources.
const TOP: usize = 10;

/// Show attacks: when, on what, made of what, how high, how many minutes customers lost
///
/// Those that go on and those of the last 7 days, unless asked for others. Works while the agent is dead, from the ledger's file.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  agent attacks                       those that go on, and those of the last 7 days
  agent attacks --since 24h
  agent attacks --all --json
  agent attacks show 12               all that is known of one
  agent report 12 --format html       its post-mortem"
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Those that go on, or ended since then: 2h, 7d, 2025-06-01, or \"2025-06-01 11:08\"
    #[arg(long, value_name = "WHEN", value_parser = since::parse)]
    since: Option<Timestamp>,
    /// All that the ledger has
    #[arg(long, conflicts_with = "since")]
    all: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Show(ShowArgs),
}

/// Show all that is known of one attack: peaks, what happened, what was done by whom, who sent most
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent attacks show 12
  agent attacks show 12 --json")]
struct ShowArgs {
    /// Its number in `agent attacks`
    #[arg(value_name = "N")]
    number: u64,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    match args.what {
        Some(What::Show(show)) => tell(show.number, context).await,
        None => list(&args, context).await,
    }
}

async fn list(args: &Args, context: &Context) -> anyhow::Result<()> {
    let recent = Timestamp::now()
        .checked_sub(jiff::SignedDuration::from_hours(24 * DAYS))
        .ok();
    let query = AttacksQuery {
        since: if args.all { None } else { args.since.or(recent) },
        limit: Some(MANY),
    };
    let attacks: Vec<Attack> = match context.agent_if_running().await? {
        Some(agent) => agent.get("/v1/attacks", &query).await?,
        None => view::latest_attacks(&history::open(context)?.reader(), query)?,
    };
    if context.json {
        return print::json(&attacks);
    }
    if attacks.is_empty() {
        println!(
            "No attack{}.",
            if args.all {
                " is in the ledger"
            } else {
                " in this time; --all shows older ones"
            }
        );
        return Ok(());
    }
    let headings = [
        "N",
        "ON",
        "BEGAN",
        "LASTED",
        "VECTORS",
        "PEAK SYN/S",
        "PEAK PACKETS/S",
        "IMPACT MIN",
        "RUNGS",
    ];
    let mut table = print::table(&headings, &[0, 5, 6, 7]);
    for attack in &attacks {
        table.add_row([
            attack.id.to_string(),
            attack.subject.to_string(),
            say::instant(attack.started),
            lasted(attack),
            names(attack.vectors.iter()),
            print::rate(attack.peaks.syn),
            print::rate(attack.peaks.packets),
            format!("{:.1}", attack.impact_seconds / 60.0),
            names(attack.rungs.iter()),
        ]);
    }
    print::print(&table);
    Ok(())
}

async fn tell(number: u64, context: &Context) -> anyhow::Result<()> {
    let shown: AttackView = match context.agent_if_running().await? {
        Some(agent) => agent.get(&format!("/v1/attacks/{number}"), &()).await?,
        None => history::attack(context, number)?,
    };
    if context.json {
        return print::json(&shown);
    }
    for (label, text) in facts(&shown.attack) {
        println!("{label:<11} {text}");
    }
    println!("\nWhat happened");
    for event in &shown.events {
        println!("  {}", line(event));
    }
    if !shown.commands.is_empty() {
        println!("\nWhat was done, from ten minutes before until an hour after");
    }
    for command in &shown.commands {
        let refused = if command.succeeded { "" } else { "refused: " };
        let reason = command
            .reason
            .as_deref()
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default();
        let text = format!(
            "{} {}: {refused}{}{reason}",
            command.actor, command.command, command.result
        );
        println!("  {}  {}", say::instant(command.at), print::clean(&text));
    }
    top("prefixes", &shown.talkers.prefixes);
    top("sources", &shown.talkers.sources);
    Ok(())
}

fn facts(attack: &Attack) -> Vec<(&'static str, String)> {
    let peaks = &attack.peaks;
    let detected = attack.detected.duration_since(attack.started).as_millis();
    vec![
        ("Attack", format!("{} on {}", attack.id, attack.subject)),
        (
            "Began",
            format!("{}, detected after {detected} ms", say::instant(attack.started)),
        ),
        (
            "Ended",
            attack.ended.map_or_else(
                || format!("goes on, last seen {}", say::instant(attack.last_excess)),
                |ended| format!("{}, after {}", say::instant(ended), lasted(attack)),
            ),
        ),
        ("Vectors", names(attack.vectors.iter())),
        ("Rungs", names(attack.rungs.iter())),
        (
            "Peak",
            format!(
                "{} SYN/s, {} of them without a handshake, {} packets/s, {} dropped/s, {} answered/s, {} sources",
                print::rate(peaks.syn),
                print::rate(peaks.unproven),
                print::rate(peaks.packets),
                print::rate(peaks.dropped),
                print::rate(peaks.replied),
                print::rate(peaks.distinct_sources)
            ),
        ),
        (
            "Impact",
            format!("customers were hurt for {:.1} minutes", attack.impact_seconds / 60.0),
        ),
    ]
}

fn top(what: &str, talkers: &[AttackTalker]) {
    if talkers.is_empty() {
        return;
    }
    println!("\nTop {what} of all traffic to protected addresses meanwhile");
    let mut table = print::table(&["FROM", "PACKETS", "SYNS", "DROPPED", "PEAK PACKETS/S"], &[1, 2, 3, 4]);
    for talker in talkers.iter().take(TOP) {
        table.add_row([
            crate::config::prefix::display(talker.prefix),
            print::rate(talker.packets),
            print::rate(talker.syns),
            print::rate(talker.drops),
            print::rate(talker.peak_pps),
        ]);
    }
    print::print(&table);
}

/// An event in a line.
pub(super) fn line(event: &EventView) -> String {
    format!(
        "{}  {:<8}  {}",
        say::instant(event.event.at),
        format!("{:?}", event.severity).to_lowercase(),
        print::clean(&event.sentence)
    )
}

fn lasted(attack: &Attack) -> String {
    let Some(ended) = attack.ended else {
        return "goes on".to_owned();
    };
    let seconds = ended.duration_since(attack.started).as_secs().max(0).unsigned_abs();
    humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string()
}

fn names<T: ToString>(names: impl Iterator<Item = T>) -> String {
    let all: Vec<String> = names.map(|name| name.to_string()).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(",") }
}
