//! What the webhook counts, for Prometheus.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::judge::{Judged, Verdict};

/// The media type of [`Stats::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = [(&'static str, &'static str); 1];

/// The counters. Clones share them.
#[derive(Clone)]
pub struct Stats(Arc<Values>);

struct Values {
    registry: Registry,
    reviews: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    warnings: Counter,
    seconds: Histogram,
    connections: Gauge,
    certificates: Family<Labels, Counter>,
}

impl Default for Stats {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("gatepost_admission");
        let (reviews, failures, certificates) =
            (Family::default(), Family::default(), Family::default());
        let (warnings, connections) = (Counter::default(), Gauge::default());
        let seconds = Histogram::new([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0]);
        registry.register("reviews", "Reviews by their verdict", reviews.clone());
        let help = "Requests without a verdict, by the reason";
        registry.register("failures", help, failures.clone());
        registry.register("warnings", "Warnings in answers", warnings.clone());
        registry.register("duration_seconds", "How long an answer took", seconds.clone());
        registry.register("connections", "Open connections", connections.clone());
        let help = "Readings of the certificate's files, by their outcome";
        registry.register("certificate_loads", help, certificates.clone());
        let values =
            Values { registry, reviews, failures, warnings, seconds, connections, certificates };
        Self(Arc::new(values))
    }
}

impl Stats {
    /// All values now, in the text format of OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }

    /// The certificate was read, and can be used or not.
    pub fn certificate(&self, is_usable: bool) {
        let outcome = if is_usable { "accepted" } else { "refused" };
        self.0.certificates.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(crate) fn judged(&self, judged: &Judged) {
        let verdict = match judged.verdict {
            Verdict::Allowed => "allowed",
            Verdict::Denied => "denied",
            Verdict::Passed => "passed",
        };
        self.0.reviews.get_or_create(&[("verdict", verdict)]).inc();
        self.0.warnings.inc_by(u64::try_from(judged.warnings).unwrap_or(u64::MAX));
    }

    pub(crate) fn failed(&self, reason: &'static str) {
        self.0.failures.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn took(&self, time: Duration) {
        self.0.seconds.observe(time.as_secs_f64());
    }

    /// Counts a connection until what this gives is dropped.
    pub(crate) fn connection(&self) -> OpenConnection {
        self.0.connections.inc();
        OpenConnection(self.0.connections.clone())
    }
}

impl std::fmt::Debug for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stats").finish_non_exhaustive()
    }
}

pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
