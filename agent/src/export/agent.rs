//! The agent's own health.

use std::fmt;

use super::{
    families::agent::{
        BUILD, COUNTERS_READ, LEDGER, LEDGER_LOST, LISTENERS, RELOAD_TIME, RELOADED, SNAPSHOT, START, WARNINGS,
    },
    writer::Writer,
};
use crate::snapshot::Snapshot;

pub(super) fn agent(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let seconds = |at: jiff::Timestamp| at.as_duration().as_secs_f64();
    out.each(&BUILD, [([env!("CARGO_PKG_VERSION").to_owned()], true)])?;
    out.one(&START, seconds(snapshot.started))?;
    out.one(&COUNTERS_READ, seconds(snapshot.meter.at.wall))?;
    out.one(&SNAPSHOT, seconds(snapshot.now.wall))?;
    out.one(&RELOADED, !snapshot.reload.refused)?;
    out.one(&RELOAD_TIME, seconds(snapshot.reload.loaded))?;
    out.one(&WARNINGS, snapshot.warnings.len())?;
    out.one(&LEDGER, snapshot.ledger.problem.is_none())?;
    out.one(&LEDGER_LOST, snapshot.ledger.lost)?;
    out.one(&LISTENERS, snapshot.listeners.len())
}
