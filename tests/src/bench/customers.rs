//! What real customers meet in a spoofed flood, behind Levee and behind what a user would take instead, in one run.
//!
//! One veth is the load balancer's only interface; its receive thread and nginx share a core, generator and customers the
//! other (see [`crate::cores`]). Customers are timed from `connect` to the end of the answer, a new connection for each
//! request, three seconds at most.

mod cell;
mod defence;
mod matrix;
mod rows;

use anyhow::Result;

use super::{
    Wanted, median,
    row::{Row, Target},
};
use crate::alone;
pub use cell::{Cell, Clients, Rate, Visits};
use cell::{Fresh, RATES};
pub use defence::Defence;
use defence::Defended;
pub(super) use defence::{synproxy, undefended};
pub use matrix::Matrix;
pub(super) use matrix::table;

/// What is compared, in the order in which it is measured.
const LINES: [(Defence, Clients); 6] = [
    (Defence::Ceiling, Clients::Known),
    (Defence::Kernel, Clients::Known),
    (Defence::Synproxy, Clients::Known),
    (Defence::Hashlimit, Clients::Known),
    (Defence::Levee, Clients::Known),
    (Defence::Levee, Clients::Unknown),
];

/// Calm with Levee attached and without, in turns: how often, and for how many seconds each.
const CALM_ROUNDS: usize = 3;
const CALM_SECONDS: &str = "2";

/// The row of that comparison, and what is in the names of all that need it.
const CALM: &str = "customers_calm_closed";
const CLOSED: &str = "_closed";

/// The names of all rows.
pub(super) fn names() -> Vec<String> {
    let cells = LINES.iter().flat_map(|(defence, clients)| {
        let rates = RATES.iter().copied();
        rates.flat_map(|rate| rows::names(*defence, *clients, rate))
    });
    std::iter::once(CALM.to_owned()).chain(cells).collect()
}

/// Measures the cells of which a row is wanted.
pub(super) fn measure(wanted: &Wanted<'_>) -> Result<(Vec<Row>, Matrix)> {
    let mut rows = Vec::new();
    let mut calm_per_s = None;
    if names().iter().any(|name| name.contains(CLOSED) && wanted(name)) {
        let (row, per_s) = calm()?;
        rows.push(row);
        calm_per_s = Some(per_s);
    }
    let mut cells = Vec::new();
    let mut fresh = Fresh::default();
    for (defence, clients) in LINES {
        let rates: Vec<_> = RATES
            .into_iter()
            .filter(|rate| rows::names(defence, clients, *rate).iter().any(|name| wanted(name)))
            .collect();
        if rates.is_empty() {
            continue;
        }
        eprintln!("  {}, {clients:?} customers", defence.title());
        let _turn = alone::wait()?;
        let defended = Defended::by(defence)?;
        for rate in rates {
            let cell = cell::measure(&defended, defence, clients, rate, &mut fresh)?;
            rows.extend(rows::rows(&cell, calm_per_s));
            cells.push(cell);
        }
    }
    Ok((rows, Matrix { calm_per_s, cells }))
}

/// What Levee costs while nothing happens: one after another with it and without, in turns, in one lab. Also returns the
/// connections per second without it, which everything else is compared with.
fn calm() -> Result<(Row, f64)> {
    let _turn = alone::wait()?;
    let (_server, topology) = undefended()?;
    let (mut without, mut with) = (vec![], vec![]);
    for _ in 0..CALM_ROUNDS {
        without.push(cell::closed_calm(&topology, CALM_SECONDS)?.connections_per_s);
        let agent = defence::levee(&topology)?;
        with.push(cell::closed_calm(&topology, CALM_SECONDS)?.connections_per_s);
        agent.home().ask(&["detach"])?;
    }
    let without = median(&mut without);
    let row = Row::compared(
        CALM,
        median(&mut with),
        "connections/s",
        without,
        Target::RatioAtLeast(0.97),
    );
    Ok((row, without))
}
