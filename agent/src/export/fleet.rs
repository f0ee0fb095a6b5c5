//! The fleet as metrics.

use std::fmt;

use super::{
    families::fleet::{DECISIONS, GARBAGE, LINK_UP, NODES, PROBLEMS, QUEUED, UNPROVEN},
    writer::Writer,
};
use crate::{
    control::{api::LinkView, view},
    snapshot::Snapshot,
};

/// Addresses whose sums are series.
const TOP: usize = 16;

pub(super) fn fleet(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    if snapshot.config.fleet.is_none() {
        return Ok(());
    }
    let view = view::fleet(snapshot);
    let decisions = view::decisions_by_kind(&snapshot.fleet, snapshot.now.wall);
    let decisions = decisions
        .into_iter()
        .map(|((kind, by), count)| ([kind.to_owned(), by.name().to_owned()], f64::from(count)));
    let sums = snapshot.fleet.sums.sums.iter().take(TOP);
    out.one(&LINK_UP, view.link == LinkView::Up)?;
    out.one(&NODES, f64::from(view.nodes))?;
    out.each(&DECISIONS, decisions)?;
    out.one(&QUEUED, count(view.queued.len()))?;
    out.one(&GARBAGE, count(view.garbage.len()))?;
    out.one(&PROBLEMS, count(view.problems.len()))?;
    out.each(&UNPROVEN, sums.map(|sum| ([sum.address.to_string()], sum.unproven)))
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
const fn count(many: usize) -> f64 {
    many as f64
}
