//! How soon the network above has the route, once somebody asks for it.

use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{
    median,
    row::{Row, Target},
};
use crate::{
    addresses::vips,
    upward::{PATIENCE, Upward},
};

/// The names of the rows.
pub(super) const ROWS: &[&str] = &["upstream_route", "upstream_route_worst"];

/// How often it is asked for.
const TIMES: u32 = 20;
/// How often the upstream router is asked whether it has it.
const LOOK: Duration = Duration::from_millis(5);

/// From the start of `agent rung ADDR upstream` to the route at the upstream router.
pub(super) fn measure() -> Result<Vec<Row>> {
    // The budget is for people in a hurry, not for benchmarks.
    let upward = Upward::start("per_hour = 1000")?;
    let mut delays_ms = Vec::new();
    for time in 0..TIMES {
        // Each at another point between two of the agent's looks at BIRD.
        thread::sleep(Duration::from_millis(u64::from(time) * 137 % 1_000));
        delays_ms.push(once(&upward)?);
    }
    let worst = delays_ms.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Row::absolute("upstream_route", median(&mut delays_ms), "ms", Target::AtMost(2_000.0)),
        Row::absolute("upstream_route_worst", worst, "ms", Target::AtMost(2_000.0)),
    ])
}

fn once(upward: &Upward) -> Result<f64> {
    let address = vips()[0];
    let name = address.to_string();
    let mut command = upward.lab.home().command(&["rung", &name, "upstream"])?;
    let start = Instant::now();
    let mut asking = command.stdout(Stdio::null()).spawn()?;
    let mut arrived = Ok(());
    while arrived.is_ok() && upward.route(address)?.is_none() {
        arrived = (start.elapsed() < PATIENCE)
            .then_some(())
            .ok_or_else(|| anyhow::anyhow!("no route to {name} after {PATIENCE:?}"));
        thread::sleep(LOOK);
    }
    let delay = start.elapsed();
    ensure!(asking.wait()?.success(), "`agent rung {name} upstream` failed");
    arrived?;
    upward.lab.home().ask(&["rung", &name, "auto"])?;
    upward.until_gone(address)?;
    Ok(delay.as_secs_f64() * 1e3)
}
