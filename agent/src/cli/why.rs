//! `agent why`.

use serde::Serialize;
use xdp_common::Reason;

use super::{context::Context, print};
use crate::{
    decide::Refusal,
    reasons::{self, ReasonDoc, Stage},
};

/// Columns of a paragraph.
const WIDTH: usize = 96;

/// Say what a counter means: why packets pass, are dropped or answered, and what to do when it grows
///
/// Every packet moves exactly one counter, whose name is its reason. They are in `agent stats`, in /metrics and in reports.
/// Needs no running agent. What one certain packet would meet now, `agent explain` says.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent why                     all reasons in a sentence each
  agent why source_rate         what it means, why it grows, what to do next
  agent why memcached           a part of the name finds it, if there is but one
  agent --json why retry | jq -r .next

Exit codes: 0 done, 2 no such reason.")]
pub(super) struct Args {
    /// Name of a reason, such as source_rate; all of them when left out
    #[arg(value_name = "REASON")]
    reason: Option<String>,
    /// The page docs/reasons.md
    #[arg(long, hide = true, conflicts_with = "reason")]
    markdown: bool,
}

/// A reason with its text.
#[derive(Debug, Serialize)]
struct WhyView {
    reason: &'static str,
    action: &'static str,
    describe: &'static str,
    #[serde(flatten)]
    doc: ReasonDoc,
}

impl WhyView {
    fn of(reason: Reason) -> Self {
        Self {
            reason: reason.name(),
            action: reason.action().name(),
            describe: reason.describe(),
            doc: reasons::of(reason),
        }
    }
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    if args.markdown {
        print!("{}", reasons::markdown());
        return Ok(());
    }
    match &args.reason {
        Some(name) => one(found(name)?, context.json),
        None => all(context.json),
    }
}

fn found(name: &str) -> Result<Reason, Refusal> {
    let near = match reasons::find(name) {
        Ok(reason) => return Ok(reason),
        Err(near) => near,
    };
    // A part of a name that only one has says enough.
    if let [only] = near[..]
        && only.split('_').any(|word| word == name.to_lowercase())
        && let Ok(reason) = reasons::find(only)
    {
        return Ok(reason);
    }
    let hint = match &near[..] {
        [] => "`agent why` lists all of them".to_owned(),
        near => format!("did you mean {}? `agent why` lists all of them", near.join(", ")),
    };
    Err(Refusal::invalid(
        format!("there is no reason {:?}", print::clean(name)),
        hint,
    ))
}

fn all(json: bool) -> anyhow::Result<()> {
    if json {
        let views: Vec<WhyView> = Reason::ALL.iter().map(|reason| WhyView::of(*reason)).collect();
        return print::json(&views);
    }
    for stage in Stage::ALL {
        println!("{}:", stage.title());
        for reason in Reason::ALL.iter().filter(|reason| reasons::of(**reason).stage == stage) {
            println!(
                "  {:<22} {:<5}  {}",
                reason.name(),
                reason.action().name(),
                reason.describe()
            );
        }
    }
    println!("\n`agent why REASON` says what to think of one, and what to do.");
    Ok(())
}

fn one(reason: Reason, json: bool) -> anyhow::Result<()> {
    let view = WhyView::of(reason);
    if json {
        return print::json(&view);
    }
    println!("{} ({}, by: {})", view.reason, view.action, view.doc.stage.title());
    paragraph("", view.describe);
    paragraph("", view.doc.means);
    println!();
    paragraph("Without an attack: ", view.doc.benign);
    paragraph("By an attack: ", view.doc.attack);
    paragraph("Next: ", view.doc.next);
    if !view.doc.settings.is_empty() {
        paragraph("Settings: ", &view.doc.settings.join(", "));
    }
    if !view.doc.rfcs.is_empty() {
        paragraph("Standards: ", &view.doc.rfcs.join(", "));
    }
    Ok(())
}

/// Text in lines that are short enough to read, two columns in.
fn paragraph(heading: &str, text: &str) {
    for line in reasons::lines(&format!("{heading}{text}"), WIDTH) {
        println!("  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_is_enough_when_it_is_the_only_one() {
        assert_eq!(found("memcached").ok(), Some(Reason::AmplifiedMemcached));
        let refused = found("rate").expect_err("many have a rate");
        assert!(refused.hint.is_some_and(|hint| hint.contains("_rate")));
        let refused = found("sorce_rate").expect_err("mistyped");
        assert!(
            refused
                .hint
                .is_some_and(|hint| hint.contains("did you mean source_rate"))
        );
    }
}
