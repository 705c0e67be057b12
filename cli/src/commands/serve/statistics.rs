//! What `serve` counts, in the text format of Prometheus. The gateway's names are those of Envoy's
//! statistics where Envoy has one; the filter's counters keep their own.

use std::collections::BTreeMap;
use std::fmt;

use gatepost_gateway::{CLASSES, Stats};
use gatepost_host::{MetricKind, Metrics};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::reload::RunningPolicy;
use crate::commands::service::lines::Lines;

/// The media type of [`Statistics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where the values come from.
#[derive(Clone)]
pub struct Statistics {
    pub gateway: Stats,
    pub filter: Metrics,
    pub policy: RunningPolicy,
    /// Messages, and lines of the access log if there is one.
    pub logs: Vec<Lines>,
}

impl Statistics {
    /// All values now.
    pub fn text(&self) -> String {
        let mut registry = Registry::with_prefix("gatepost");
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }

    /// The filter's values, by the name without the prefix that all have.
    fn of_filter(&self) -> BTreeMap<String, (MetricKind, u64)> {
        let name = |name: &str| {
            let plain = |byte: char| if byte.is_ascii_alphanumeric() { byte } else { '_' };
            name.strip_prefix("gatepost.").unwrap_or(name).chars().map(plain).collect()
        };
        self.filter
            .snapshot()
            .into_iter()
            .map(|metric| (name(&metric.name), (metric.kind, metric.value)))
            .collect()
    }
}

impl fmt::Debug for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statistics").finish_non_exhaustive()
    }
}

impl Collector for Statistics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let now = self.gateway.snapshot();
        let dropped = self.logs.iter().map(Lines::dropped).sum();
        for (name, help, value) in [
            ("http_downstream_cx", "Connections that clients opened", now.connections),
            (
                "http_downstream_cx_closed_for_room",
                "Connections that waited for their clients and were closed to make room",
                now.closed_for_room,
            ),
            ("http_downstream_rq", "Requests", now.requests),
            (
                "cluster_upstream_cx_connect_fail",
                "Requests without a connection to their upstream",
                now.connect_failures,
            ),
            (
                "cluster_upstream_rq_failed",
                "Requests whose upstream hung up, or sent what is refused",
                now.upstream_failures,
            ),
            ("cluster_upstream_rq_timeout", "Requests whose upstream was late", now.timeouts),
            ("log_lines_dropped", "Lines of logs that could not be written", dropped),
            ("policy_reload_accepted", "Policies put in force", self.policy.accepted()),
            ("policy_reload_refused", "Files without a usable policy", self.policy.refused()),
        ] {
            counter(&mut encoder, name, help, value)?;
        }
        for (name, help, value) in [
            ("http_downstream_cx_active", "Open connections of clients", now.active_connections),
            ("http_downstream_rq_active", "Requests being answered", now.active_requests),
        ] {
            gauge(&mut encoder, name, help, value)?;
        }
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "Responses by the class of their status";
        let mut family = encoder.encode_descriptor("http_downstream_rq_xx", help, None, kind)?;
        for (class, value) in CLASSES.iter().zip(now.responses) {
            let labels = [("response_code_class", *class)];
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        for (name, (kind, value)) in self.of_filter() {
            let help = "Counted by the filter";
            match kind {
                MetricKind::Counter => counter(&mut encoder, &name, help, value)?,
                MetricKind::Gauge | MetricKind::Histogram => {
                    gauge(&mut encoder, &name, help, value)?;
                }
            }
        }
        Ok(())
    }
}

fn counter(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: u64) -> fmt::Result {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

fn gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: u64) -> fmt::Result {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}
