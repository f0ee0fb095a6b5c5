//! What has become of notifications, as metrics.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::metrics::{Labels, Writer, float, yes};
use crate::{control::api::EndpointView, notify::Notifier};

/// Writes how each endpoint stands.
#[derive(Debug)]
pub(super) struct Notifications(pub(super) Notifier);

impl Collector for Notifications {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let views = self.0.views();
        let mut out = Writer::new(encoder);
        let label = |view: &EndpointView| -> Labels<'static> { vec![("endpoint", view.name.clone())] };
        type Count = fn(&EndpointView) -> u64;
        let counts: [(&str, &str, Count); 5] = [
            ("notify_sent", "Messages that an endpoint took", |view| view.sent),
            (
                "notify_failed",
                "Messages that were given up after all attempts",
                |view| view.failed,
            ),
            (
                "notify_failed_attempts",
                "Attempts to deliver a message that failed",
                |view| view.failed_attempts,
            ),
            (
                "notify_dropped",
                "Messages that were dropped because newer ones needed the room",
                |view| view.dropped,
            ),
            (
                "notify_repeated",
                "Messages that were not sent because they said what was said last",
                |view| view.repeated,
            ),
        ];
        for (name, help, count) in counts {
            out.counters(name, help, views.iter().map(|view| (label(view), count(view))))?;
        }
        let queued = views.iter().map(|view| (label(view), float(view.queued)));
        out.gauges("notify_queued", "Messages that wait or are on their way", queued)?;
        let healthy = views.iter().map(|view| (label(view), yes(view.problem.is_none())));
        out.gauges("notify_healthy", "0 while the latest attempt has failed", healthy)?;
        let last = views
            .iter()
            .filter_map(|view| Some((label(view), view.last_success?.as_duration().as_secs_f64())));
        out.gauges(
            "notify_last_success_timestamp_seconds",
            "When an endpoint took something last",
            last,
        )
    }
}
