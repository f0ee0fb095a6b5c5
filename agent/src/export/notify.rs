//! What has become of notifications, as metrics.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::{
    families::notify::{
        DROPPED, FAILED, FAILED_ATTEMPTS, LAST_SUCCESS, MISSED, NOTIFY_HEALTHY, QUEUED, REPEATED, SENT,
    },
    family::Family,
    writer::Writer,
};
use crate::{control::api::EndpointView, notify::Notifier};

/// Writes how each endpoint stands.
#[derive(Debug)]
pub(super) struct Notifications(pub(super) Notifier);

impl Collector for Notifications {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        type Count = fn(&EndpointView) -> u64;
        let views = self.0.views();
        let mut out = Writer::new(encoder);
        let label = |view: &EndpointView| [view.name.clone()];
        let counts: [(&Family<1>, Count); 5] = [
            (&SENT, |view| view.sent),
            (&FAILED, |view| view.failed),
            (&FAILED_ATTEMPTS, |view| view.failed_attempts),
            (&DROPPED, |view| view.dropped),
            (&REPEATED, |view| view.repeated),
        ];
        for (family, count) in counts {
            out.each(family, views.iter().map(|view| (label(view), count(view))))?;
        }
        out.each(&QUEUED, views.iter().map(|view| (label(view), view.queued)))?;
        let healthy = views.iter().map(|view| (label(view), view.problem.is_none()));
        out.each(&NOTIFY_HEALTHY, healthy)?;
        let last = views
            .iter()
            .filter_map(|view| Some((label(view), view.last_success?.as_duration().as_secs_f64())));
        out.each(&LAST_SUCCESS, last)?;
        out.one(&MISSED, self.0.missed_events())
    }
}
