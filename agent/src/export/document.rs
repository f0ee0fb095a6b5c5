//! `docs/metrics.md`, made from the families.

use std::fmt::Write as _;

use super::{families::SECTIONS, family::Description};

const HEADING: &str = "\
# Metrics

What the agent exports at `metrics.listen` (by default `http://127.0.0.1:9666/metrics`), in OpenMetrics 1.0 for whoever asks for it and in
Prometheus's text format for everybody else. This page is made from the table that the exporter itself writes by
(`agent/src/export/families/`). A dashboard and alerts are in [observability/](../observability/README.md).

Rates per second are over the last second, and for people: alerts and graphs that must not miss a spike between two scrapes use `rate()` of
the counters. Bits of the configuration are bytes here, as Prometheus's conventions want it.
";

/// How many series there are, and what to leave out.
const CARDINALITY: &str = "
## How many series

- Each protected address has six series besides its packets and its thresholds of vectors: some 25,000 with 4,096 addresses.
- `levee_packets_total` has a series only for a reason that an address has met. In calm that is one to four for each address; an address that was
  under every kind of attack has 30.
- `levee_top_prefix_*` has ten prefixes at most, and only those with a hundredth of all packets.
- No label has a source's address, a port, or anything else that an attacker chooses freely.

Who has thousands of addresses and looks at few of them can drop the others at the scrape, with `metric_relabel_configs` on the label `address`.
";

/// The document.
#[must_use]
pub fn document() -> String {
    let mut out = HEADING.to_owned();
    for section in SECTIONS {
        out.push_str(&format!("\n## {}\n\n{}\n", section.title, wrapped(section.about)));
        for family in section.families {
            describe(family, &mut out);
        }
    }
    out + CARDINALITY
}

fn describe(family: &Description, out: &mut String) {
    let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
    let labels = match labels.as_slice() {
        [] => "no labels".to_owned(),
        [one] => format!("label {one}"),
        several => format!("labels {}", several.join(", ")),
    };
    // A string takes everything.
    let _ = write!(
        out,
        "\n### `{}`\n\n{}, {}, {labels}. {}.\n\n*{}*\n\n```promql\n{}\n```\n",
        family.sample(),
        family.kind.name(),
        family.unit,
        family.help,
        family.question,
        family.promql
    );
}

/// Lines of at most 140 characters, broken at spaces.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > 140 {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.join("\n")
}
