//! The network above as metrics.

use std::fmt;

use super::{
    families::upstream::{ANNOUNCEMENTS, PROBLEM, ROUTE, SESSION},
    writer::Writer,
};
use crate::{control::view, snapshot::Snapshot};

pub(super) fn upstream(out: &mut Writer<'_>, snapshot: &Snapshot) -> fmt::Result {
    let view = view::upstream(snapshot);
    if !view.enabled {
        return Ok(());
    }
    let routes = view.routes.iter();
    let labels = |route: &crate::control::api::RouteView| [route.address.to_string(), route.state.name().to_owned()];
    out.each(&ROUTE, routes.map(|route| (labels(route), true)))?;
    out.each(&SESSION, view.sessions.iter().map(|session| ([session.clone()], true)))?;
    out.one(&ANNOUNCEMENTS, f64::from(view.last_hour[0]))?;
    out.one(&PROBLEM, view.problem.is_some())
}
