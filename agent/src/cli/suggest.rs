//! `agent threshold suggest`.

use reqwest::Method;

use super::{
    context::{Context, parse_subject},
    print,
};
use crate::{
    config::{
        self, Config,
        units::{Burst, Ttl},
    },
    control::api::{Done, ThresholdRequest},
    decide::{
        Refusal,
        suggest::{Current, LEAST_HOURS, Suggestion, Suggestions, suggest},
    },
    detect::{Subject, baseline::Baseline},
    host::HostFacts,
    overrides::ThresholdTarget,
    vectors::{VectorOverride, VectorsOverride},
};

/// Suggest thresholds that fit what is usual, as sections for the configuration
///
/// A SYN threshold gets twice the end of what is usual in the busiest hour, a vector without a limit four times its busiest
/// usual hour. Changes nothing unless told with --apply. What was set at run time is not looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent threshold suggest                          all that should change
  agent threshold suggest 203.0.113.7 > new.toml   of one address; `agent replay` tells what it would have done
  agent threshold suggest --apply --ttl 1d         take them over at run time, for a day")]
pub(super) struct Args {
    /// Protected address, or the prefix of a group; all when left out
    #[arg(value_name = "ADDR|CIDR", value_parser = parse_subject)]
    subject: Option<Subject>,
    /// Set what is suggested at run time, over the configuration
    #[arg(long)]
    apply: bool,
    /// With --apply: how long, such as 1h or 7d; until it is unset when left out
    #[arg(long, requires = "apply")]
    ttl: Option<Ttl>,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let config = config::load(&context.config, &HostFacts::read().await?)?;
    let learned: std::collections::BTreeMap<Subject, Baseline> = context.learned()?.into_iter().collect();
    let mut subjects = subjects(&config);
    if let Some(wanted) = args.subject {
        subjects.retain(|(subject, _)| *subject == wanted);
        if subjects.is_empty() {
            let hint = "`agent baseline show` names those that are".to_owned();
            let error = format!("{wanted} is neither a protected address nor a group");
            return Err(Refusal::not_found(error, Some(hint)).into());
        }
    }
    let all = subjects
        .into_iter()
        .map(|(subject, current)| (subject, learned.get(&subject), current));
    let suggestions = suggest(all);
    if args.apply {
        return apply(&suggestions, args.ttl, context).await;
    }
    if context.json {
        return print::json(&suggestions);
    }
    show(&suggestions);
    Ok(())
}

/// Every address and group of the configuration with what holds for it.
fn subjects(config: &Config) -> Vec<(Subject, Current)> {
    let addresses = config.protected.iter().map(|(address, protected)| {
        let current = Current {
            syn_rate: Some(protected.limit.syn_rate),
            limited: protected.vectors.limited(),
        };
        (Subject::Address(*address), current)
    });
    let groups = config.groups.iter().map(|(prefix, group)| {
        let current = Current {
            syn_rate: group.limit.map(|limit| limit.syn_rate),
            limited: group.vectors.limited(),
        };
        (Subject::Group(*prefix), current)
    });
    addresses.chain(groups).collect()
}

fn show(suggestions: &Suggestions) {
    println!(
        "# Suggested by `agent threshold suggest` from what is usual. For the configuration: put a section in place of the"
    );
    println!(
        "# one of the same address or prefix, if there is one; then `agent check-config`, `agent replay`, `agent reload`."
    );
    for suggestion in &suggestions.change {
        println!("\n{}", suggestion.section().trim_end());
    }
    if !suggestions.fit.is_empty() {
        println!("\n# {} fit as they are.", suggestions.fit.len());
    }
    for (subject, hours) in &suggestions.unknown {
        println!("# {subject}: {hours} of {LEAST_HOURS} hours learned, too few to say.");
    }
}

async fn apply(suggestions: &Suggestions, ttl: Option<Ttl>, context: &Context) -> anyhow::Result<()> {
    let agent = context.agent().await?;
    let mut done: Vec<Done> = Vec::new();
    for suggestion in &suggestions.change {
        done.push(
            agent
                .send_json(Method::PUT, "/v1/thresholds", &request(suggestion, ttl))
                .await?,
        );
    }
    if context.json {
        return print::json(&done);
    }
    if done.is_empty() {
        println!("Nothing to change.");
    }
    for done in &done {
        print::done(done, false)?;
    }
    Ok(())
}

fn request(suggestion: &Suggestion, ttl: Option<Ttl>) -> ThresholdRequest {
    let target = match suggestion.subject {
        Subject::Address(address) => ThresholdTarget::Address(address),
        Subject::Group(prefix) => ThresholdTarget::Group(prefix),
    };
    let of = |key: &str| VectorOverride {
        packets: suggestion.vectors.get(key).copied(),
        bits: None,
    };
    ThresholdRequest {
        target: target.to_string(),
        syn_rate: suggestion.syn_rate,
        syn_burst: suggestion.syn_rate.map(Burst::of_a_second),
        vectors: VectorsOverride {
            udp: of("udp"),
            icmp: of("icmp"),
            other: of("other"),
            fragments: of("fragments"),
            ..VectorsOverride::default()
        },
        ttl,
        reason: Some(format!("suggested from {} hours of what is usual", suggestion.hours)),
        scope: None,
        automatic: false,
    }
}
