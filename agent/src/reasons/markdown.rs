//! docs/reasons.md: all reasons by the stage that gives them.

use std::fmt::Write as _;

use xdp_common::Reason;

use super::{ReasonDoc, Stage, lines, of};

/// Columns of a line.
const WIDTH: usize = 120;

const HEADING: &str = "\
# Reasons

Every packet moves exactly one counter: its verdict, and why. `agent stats` shows them by address, `agent why REASON` explains one on
the command line, `agent explain SRC DST` says which one a packet would meet now. In monitor mode everything passes, and `drop` and `reply`
count what would have been. Other metrics are in [metrics.md](metrics.md).

Stages come in this order, and the first verdict wins. This page is generated from `agent/src/reasons/`
(`agent why --markdown`).
";

/// The page.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEADING.to_owned();
    for stage in Stage::ALL {
        let _ = write!(page, "\n## {}\n", capital(stage.title()));
        let reasons = Reason::ALL.iter().filter(|reason| of(**reason).stage == stage);
        for reason in reasons {
            page.push_str(&section(*reason, &of(*reason)));
        }
    }
    page
}

fn section(reason: Reason, doc: &ReasonDoc) -> String {
    let mut text = format!("\n### `{}` ({})\n\n", reason.name(), reason.action().name());
    paragraph(&format!("{} {}", reason.describe(), doc.means), "", &mut text);
    text.push('\n');
    let keys: Vec<String> = doc.settings.iter().map(|key| format!("`{key}`")).collect();
    for (heading, item) in [
        ("Without an attack", doc.benign.to_owned()),
        ("By an attack", doc.attack.to_owned()),
        ("Next", doc.next.to_owned()),
        ("Settings", keys.join(", ")),
        ("Standards", doc.rfcs.join(", ")),
    ] {
        if !item.is_empty() {
            paragraph(&format!("- **{heading}**: {item}"), "  ", &mut text);
        }
    }
    text
}

/// A paragraph whose lines but the first begin with `indent`.
fn paragraph(content: &str, indent: &str, text: &mut String) {
    for (at, line) in lines(content, WIDTH).iter().enumerate() {
        let _ = writeln!(text, "{}{line}", if at == 0 { "" } else { indent });
    }
}

fn capital(title: &str) -> String {
    let mut letters = title.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
