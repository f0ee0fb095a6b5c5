//! The numbers that Levee is held to. Ratios are measured side by side in one run, in alternating rounds, because the
//! machine is shared and noisy; absolute times are for orientation.

mod accepted;
mod cpus;
mod customers;
mod detection;
mod fleet;
mod footprint;
mod lists;
mod live;
mod machine;
mod page;
mod prepared;
mod proofs;
mod reaction;
mod row;
mod scale;
mod test_run;
mod upstream;
mod xdp_filter;

use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};

use crate::{alone, lab, require};
pub use customers::{Cell, Clients, Defence, Matrix, Rate, Visits};
pub use row::{Results, Row};

/// Rounds of each side-by-side comparison; the median counts.
const ROUNDS: usize = 5;
/// How long a live flood of one round lasts.
const ROUND: Duration = Duration::from_secs(2);

/// Whether a row of this name was asked for.
type Wanted<'a> = dyn Fn(&str) -> bool + 'a;

/// A group of rows that are measured together.
struct Group {
    rows: &'static [&'static str],
    measure: fn() -> Result<Vec<Row>>,
}

const GROUPS: [Group; 23] = [
    Group {
        rows: &["drop_test_run", "established_test_run"],
        measure: test_run::measure,
    },
    Group {
        rows: &["drop_live", "lru_per_packet_live"],
        measure: live::drops,
    },
    Group {
        rows: &["established_live"],
        measure: live::established,
    },
    Group {
        rows: scale::FLOODS,
        measure: scale::floods,
    },
    Group {
        rows: &["established_all_live"],
        measure: scale::established,
    },
    Group {
        rows: &["flood_against_xdp_filter"],
        measure: xdp_filter::measure,
    },
    Group {
        rows: accepted::ROWS,
        measure: accepted::measure,
    },
    Group {
        rows: cpus::ROWS,
        measure: cpus::measure,
    },
    Group {
        rows: scale::COSTS,
        measure: scale::sizes,
    },
    Group {
        rows: proofs::ANSWERS,
        measure: proofs::answers,
    },
    Group {
        rows: &["challenge_first_connection", "challenge_first_connection_p99"],
        measure: proofs::first_connection,
    },
    Group {
        rows: &["guard_established", "guard_established_cost"],
        measure: proofs::guard,
    },
    Group {
        rows: lists::TEST_RUN,
        measure: lists::test_run,
    },
    Group {
        rows: lists::LIVE,
        measure: lists::live,
    },
    Group {
        rows: lists::LOAD,
        measure: lists::load,
    },
    Group {
        rows: &["first_drop"],
        measure: reaction::measure,
    },
    Group {
        rows: detection::DELAY,
        measure: detection::delay,
    },
    Group {
        rows: detection::LOAD,
        measure: detection::load,
    },
    Group {
        rows: fleet::ROWS,
        measure: fleet::measure,
    },
    Group {
        rows: fleet::DETECTION,
        measure: fleet::detection,
    },
    Group {
        rows: upstream::ROWS,
        measure: upstream::measure,
    },
    Group {
        rows: page::ROWS,
        measure: page::measure,
    },
    Group {
        rows: &["agent_idle_cpu", "agent_idle_memory", "maps_memory"],
        measure: footprint::measure,
    },
];

/// Measures every row whose name contains `only`, or all.
///
/// # Errors
/// Not root, no such row, or a measurement failed.
pub fn run(only: Option<&str>) -> Result<Results> {
    require::root()?;
    lab::sweep();
    let wanted = |name: &str| only.is_none_or(|pattern| name.contains(pattern));
    let names: Vec<String> = GROUPS
        .iter()
        .flat_map(|group| group.rows)
        .map(|name| (*name).to_owned())
        .chain(customers::names())
        .collect();
    if !names.iter().any(|name| wanted(name)) {
        bail!(
            "--only {}: no row has that in its name; there are {}",
            only.unwrap_or_default(),
            names.join(", ")
        );
    }
    let machine = {
        // Not while another lab measures.
        let _turn = alone::wait()?;
        machine::describe()?
    };
    let mut results = Vec::new();
    for group in GROUPS.iter().filter(|group| group.rows.iter().any(|name| wanted(name))) {
        eprintln!("measuring {} ..", group.rows.join(", "));
        let _turn = alone::wait()?;
        results.extend((group.measure)()?);
    }
    let mut matrix = None;
    if customers::names().iter().any(|name| wanted(name)) {
        eprintln!("measuring what customers meet ..");
        let (rows, cells) = customers::measure(&wanted)?;
        results.extend(rows);
        matrix = Some(cells);
    }
    results.retain(|row| wanted(&row.name));
    Ok(Results {
        machine,
        results,
        customers: matrix,
    })
}

/// The results as a table for people.
#[must_use]
pub fn table(results: &Results) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["measured", "value", "baseline", "ratio", "target", "met"]);
    for row in &results.results {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.1}"));
        table.add_row([
            row.name.clone(),
            format!("{:.1} {}", row.value, row.unit),
            number(row.baseline),
            row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            row.target.clone(),
            (if row.met { "yes" } else { "no" }).to_owned(),
        ]);
    }
    let machine = &results.machine;
    let matrix = results
        .customers
        .as_ref()
        .map_or_else(String::new, |matrix| format!("{}\n\n", customers::table(matrix)));
    format!(
        "{matrix}{table}\n{} with {} cores, Linux {}; {:.0} % busy with something else before the run",
        machine.cpu, machine.cores, machine.kernel, machine.busy_percent
    )
}

/// The middle of the values.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
