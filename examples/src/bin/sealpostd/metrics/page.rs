//! The page that metrics are written to.

use std::fmt::{self, Result};

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Writes metrics. Their names have neither a unit nor `_total` at the end: the encoder appends both.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

/// Name and help of a metric.
pub(super) type Title = (&'static str, &'static str);

impl Page<'_> {
    pub(super) fn counter(
        &mut self,
        title: Title,
        value: impl EncodeCounterValue + Copy,
    ) -> Result {
        count(&mut self.open(title, None, MetricType::Counter)?, &value)
    }

    pub(super) fn counter_of(
        &mut self,
        title: Title,
        unit: &Unit,
        value: impl EncodeCounterValue + Copy,
    ) -> Result {
        count(&mut self.open(title, Some(unit), MetricType::Counter)?, &value)
    }

    /// Writes a counter for each value of a label.
    pub(super) fn counters<L: fmt::Display>(
        &mut self,
        title: Title,
        label: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> Result {
        let mut metric = self.open(title, None, MetricType::Counter)?;
        for (value, number) in values {
            count(&mut metric.encode_family(&[(label, value.to_string())])?, &number)?;
        }
        Ok(())
    }

    /// Writes a counter for each pair of values of two labels.
    pub(super) fn counters_by_two<const N: usize>(
        &mut self,
        title: Title,
        labels: [&str; 2],
        values: [([&str; 2], u64); N],
    ) -> Result {
        let mut metric = self.open(title, None, MetricType::Counter)?;
        for ([first, second], number) in values {
            let set = [(labels[0], first), (labels[1], second)];
            count(&mut metric.encode_family(&set)?, &number)?;
        }
        Ok(())
    }

    pub(super) fn gauge(&mut self, title: Title, value: impl EncodeGaugeValue + Copy) -> Result {
        self.open(title, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    pub(super) fn gauge_of(
        &mut self,
        title: Title,
        unit: &Unit,
        value: impl EncodeGaugeValue + Copy,
    ) -> Result {
        self.open(title, Some(unit), MetricType::Gauge)?.encode_gauge(&value)
    }

    /// Writes a gauge for each value of a label.
    pub(super) fn gauges<const N: usize>(
        &mut self,
        title: Title,
        unit: Option<&Unit>,
        label: &str,
        values: [(&str, u64); N],
    ) -> Result {
        let mut metric = self.open(title, unit, MetricType::Gauge)?;
        for (value, number) in values {
            metric.encode_family(&[(label, value)])?.encode_gauge(&number)?;
        }
        Ok(())
    }

    /// Writes a metric whose labels are what it says. The encoder appends `_info` to its name.
    pub(super) fn info<const N: usize>(
        &mut self,
        title: Title,
        labels: [(&str, &str); N],
    ) -> Result {
        self.open(title, None, MetricType::Info)?.encode_info(&labels)
    }

    /// Writes a histogram. The last bucket has no upper bound.
    pub(super) fn histogram(
        &mut self,
        title: Title,
        unit: Option<&Unit>,
        sum: f64,
        bounds: impl Iterator<Item = f64>,
        counts: &[u64],
    ) -> Result {
        let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(counts.iter().copied()).collect();
        self.open(title, unit, MetricType::Histogram)?.encode_histogram::<NoLabelSet>(
            sum,
            counts.iter().sum(),
            &buckets,
            None,
        )
    }

    fn open<'s>(
        &'s mut self,
        (name, help): Title,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> std::result::Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, unit, kind)
    }
}

fn count(metric: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> Result {
    metric.encode_counter::<NoLabelSet, _, u64>(value, None)
}
