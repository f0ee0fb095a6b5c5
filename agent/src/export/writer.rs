//! Writes families as their descriptions say.

use std::{fmt, iter};

use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::family::{Description, Family, Kind};

/// A number that a family can have.
pub(super) trait Value {
    fn encode(self, metric: &mut MetricEncoder<'_>, kind: Kind) -> fmt::Result;
}

impl Value for u64 {
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles anyway")]
    fn encode(self, metric: &mut MetricEncoder<'_>, kind: Kind) -> fmt::Result {
        match kind {
            Kind::Counter => metric.encode_counter::<NoLabelSet, _, Self>(&self, None),
            Kind::Gauge => metric.encode_gauge(&(self as f64)),
        }
    }
}

impl Value for i64 {
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles anyway")]
    fn encode(self, metric: &mut MetricEncoder<'_>, kind: Kind) -> fmt::Result {
        (self as f64).encode(metric, kind)
    }
}

impl Value for usize {
    fn encode(self, metric: &mut MetricEncoder<'_>, kind: Kind) -> fmt::Result {
        (self as u64).encode(metric, kind)
    }
}

impl Value for bool {
    fn encode(self, metric: &mut MetricEncoder<'_>, kind: Kind) -> fmt::Result {
        u64::from(self).encode(metric, kind)
    }
}

impl Value for f64 {
    fn encode(self, metric: &mut MetricEncoder<'_>, kind: Kind) -> fmt::Result {
        match kind {
            Kind::Counter => metric.encode_counter::<NoLabelSet, _, Self>(&self, None),
            Kind::Gauge => metric.encode_gauge(&self),
        }
    }
}

/// One metric family after the other.
pub(super) struct Writer<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder }
    }

    /// A family without labels.
    pub(super) fn one(&mut self, family: &Family<0>, value: impl Value) -> fmt::Result {
        self.each(family, iter::once(([], value)))
    }

    /// A family, with the values of its labels in the order of its description.
    pub(super) fn each<const LABELS: usize, V: Value>(
        &mut self,
        Family(description): &Family<LABELS>,
        values: impl IntoIterator<Item = ([String; LABELS], V)>,
    ) -> fmt::Result {
        let Description {
            kind, labels: names, ..
        } = *description;
        let split = description.base_and_unit();
        let unit = split.map(|(_, unit)| Unit::Other(unit.to_owned()));
        let name = split.map_or(description.name, |(base, _)| base);
        let metric_type = match kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        let mut metric = self
            .encoder
            .encode_descriptor(name, description.help, unit.as_ref(), metric_type)?;
        for (labels, value) in values {
            if LABELS == 0 {
                value.encode(&mut metric, kind)?;
            } else {
                let labels: Vec<(&str, String)> = iter::zip(names.iter().copied(), labels).collect();
                value.encode(&mut metric.encode_family(&labels)?, kind)?;
            }
        }
        Ok(())
    }
}
