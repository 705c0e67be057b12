//! Counters, gauges and histograms that guests define. All VMs of a host share the registry, as
//! Envoy's workers do; the numbers by which a guest uses its metrics belong to its VM.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hashbrown::HashMap;
use serde::Serialize;

use crate::abi::Status;
use crate::limits::{Limits, Refused};

/// The kind of a metric (`proxy_metric_type_t`).
///
/// ```
/// use gatepost_host::MetricKind;
///
/// assert_eq!(MetricKind::Histogram.name(), "histogram");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// Only goes up.
    Counter,
    /// Goes up and down, or is set.
    Gauge,
    /// Collects values.
    Histogram,
}

impl MetricKind {
    const ALL: [MetricKind; 3] = [MetricKind::Counter, MetricKind::Gauge, MetricKind::Histogram];

    /// The name in recorded events and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

/// The values of a histogram, summed up.
///
/// ```
/// use gatepost_host::HistogramValue;
///
/// let seen = HistogramValue { count: 2, sum: 30, min: 10, max: 20 };
/// assert_eq!(seen.sum / seen.count, 15); // the mean; percentiles are not kept
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HistogramValue {
    /// The number of values.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The lowest value; 0 before the first.
    pub min: u64,
    /// The highest value.
    pub max: u64,
}

/// A metric's value when it was read.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, plugin) = started("count");
/// let all = vm.host().metrics.snapshot();
/// assert_eq!(serde_json::to_string(&all)?, r#"[{"name":"requests","kind":"counter","value":0}]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetricValue {
    /// The name that the guest gave. Bytes that are not UTF-8 are replaced.
    pub name: String,
    /// The kind. One name can have a metric of each kind.
    pub kind: MetricKind,
    /// A counter's or gauge's value; a histogram's count.
    pub value: u64,
    /// The values of a histogram; none for other kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histogram: Option<HistogramValue>,
}

#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) kind: MetricKind,
    pub(crate) name: Arc<str>,
    value: AtomicU64,
    histogram: Mutex<HistogramValue>,
}

impl Metric {
    fn read(&self) -> MetricValue {
        let histogram = (self.kind == MetricKind::Histogram)
            .then(|| *self.histogram.lock().unwrap_or_else(PoisonError::into_inner));
        MetricValue {
            name: self.name.to_string(),
            kind: self.kind,
            value: histogram.map_or_else(|| self.value.load(Ordering::Relaxed), |h| h.count),
            histogram,
        }
    }
}

/// As in Envoy, one name can have a metric of each kind.
#[derive(Debug, Default)]
struct Registry {
    metrics: HashMap<(MetricKind, Arc<str>), Arc<Metric>>,
    bytes: usize,
}

/// The most bytes of a registry. It has no metric less than before, so that VMs which are built
/// again and again, with other names each time, would fill it.
const MAX_BYTES: usize = 64 << 20;

/// What a metric counts beside its name: its value, and its places in the tables.
const METRIC_BYTES: usize = 256;

/// The metrics of a host. Clones share them.
///
/// ```
/// use gatepost_host::{Host, MetricKind, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("count");
///
/// let host = Host::default();
/// let mut vm = Vm::new(&module, host.clone(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig::default())?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
/// let _ = vm.request_headers(stream, &mut headers, true)?;
///
/// assert_eq!(host.metrics.value("requests"), Some(1));
/// assert_eq!(host.metrics.value("errors"), None); // not defined
/// assert_eq!(host.metrics.snapshot()[0].kind, MetricKind::Counter);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    all: Arc<RwLock<Registry>>,
}

impl Metrics {
    /// The value of the counter or gauge with this name, or the count of the histogram; none if no
    /// guest has defined it.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("count");
    /// let metrics = &vm.host().metrics;
    /// // This guest defines the metric when it starts.
    /// assert_eq!(metrics.value("requests"), Some(0));
    /// assert_eq!(metrics.value("request"), None);
    /// ```
    #[must_use]
    pub fn value(&self, name: &str) -> Option<u64> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let name: Arc<str> = name.into();
        MetricKind::ALL
            .iter()
            .find_map(|kind| all.metrics.get(&(*kind, Arc::clone(&name))))
            .map(|metric| metric.read().value)
    }

    /// Every metric, sorted by name and kind.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, plugin) = started("count");
    /// for metric in vm.host().metrics.snapshot() {
    ///     println!("{} {} {}", metric.kind.name(), metric.name, metric.value);
    /// }
    /// # assert_eq!(vm.host().metrics.snapshot().len(), 1);
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Vec<MetricValue> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let mut values: Vec<_> = all.metrics.values().map(|metric| metric.read()).collect();
        values.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
        values
    }

    fn define(&self, kind: MetricKind, name: &str) -> Result<Arc<Metric>, Refused> {
        let name: Arc<str> = name.into();
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, Arc::clone(&name));
        if let Some(metric) = all.metrics.get(&key) {
            return Ok(Arc::clone(metric));
        }
        let bytes = all.bytes + name.len() + METRIC_BYTES;
        if bytes > MAX_BYTES {
            return Err(Refused::Limit("metric_bytes"));
        }
        let metric = Arc::new(Metric {
            kind,
            name,
            value: AtomicU64::new(0),
            histogram: Mutex::new(HistogramValue::default()),
        });
        all.bytes = bytes;
        all.metrics.insert(key, Arc::clone(&metric));
        Ok(metric)
    }
}

/// One VM's numbers for its metrics. As in Envoy, the two low bits of a number are the kind, and
/// the other bits count from 1.
#[derive(Debug, Default)]
pub(crate) struct MetricIds {
    defined: [Vec<Arc<Metric>>; 3],
    ids: HashMap<(MetricKind, Box<str>), u32>,
    /// The bytes of all names.
    bytes: usize,
}

impl MetricIds {
    pub(crate) fn define(
        &mut self,
        registry: &Metrics,
        kind: MetricKind,
        name: &str,
        limits: &Limits,
    ) -> Result<u32, Refused> {
        let key = (kind, Box::from(name));
        if let Some(id) = self.ids.get(&key) {
            return Ok(*id);
        }
        if self.ids.len() >= limits.metrics {
            return Err(Refused::Limit("metrics"));
        }
        if self.bytes + name.len() > limits.metric_bytes {
            return Err(Refused::Limit("metric_bytes"));
        }
        let defined = &mut self.defined[kind as usize];
        let id = u32::try_from(defined.len() + 1)
            .ok()
            .and_then(|n| n.checked_mul(4))
            .ok_or(Status::InternalFailure)?
            + kind as u32;
        defined.push(registry.define(kind, name)?);
        self.bytes += name.len();
        self.ids.insert(key, id);
        Ok(id)
    }

    pub(crate) fn find(&self, id: u32) -> Result<&Arc<Metric>, Status> {
        // As in Envoy, which looks at the kind first: the unused fourth kind is an argument error
        // and not an unknown metric.
        let kind = MetricKind::from_code(id & 3).ok_or(Status::BadArgument)?;
        let index = (id >> 2)
            .checked_sub(1)
            .and_then(|n| usize::try_from(n).ok())
            .ok_or(Status::NotFound)?;
        self.defined[kind as usize].get(index).ok_or(Status::NotFound)
    }

    pub(crate) fn increment(&self, id: u32, offset: i64) -> Result<(), Status> {
        if MetricKind::from_code(id & 3) == Some(MetricKind::Histogram) {
            return Err(Status::BadArgument);
        }
        let metric = self.find(id)?;
        match metric.kind {
            MetricKind::Counter if offset <= 0 => return Err(Status::BadArgument),
            // Two's complement: adding a negative offset subtracts.
            MetricKind::Counter | MetricKind::Gauge => {
                metric.value.fetch_add(offset.cast_unsigned(), Ordering::Relaxed)
            }
            MetricKind::Histogram => return Err(Status::BadArgument),
        };
        Ok(())
    }

    pub(crate) fn record(&self, id: u32, value: u64) -> Result<(), Status> {
        // As in Envoy: an unknown kind is NotFound here, and BadArgument in the other hostcalls.
        let metric = self.find(id).map_err(|_| Status::NotFound)?;
        match metric.kind {
            MetricKind::Counter => {
                metric.value.fetch_add(value, Ordering::Relaxed);
            }
            MetricKind::Gauge => metric.value.store(value, Ordering::Relaxed),
            MetricKind::Histogram => {
                let mut seen = metric.histogram.lock().unwrap_or_else(PoisonError::into_inner);
                seen.min = if seen.count == 0 { value } else { seen.min.min(value) };
                seen.max = seen.max.max(value);
                seen.count += 1;
                seen.sum = seen.sum.wrapping_add(value);
            }
        }
        Ok(())
    }

    pub(crate) fn get(&self, id: u32) -> Result<u64, Status> {
        if MetricKind::from_code(id & 3) == Some(MetricKind::Histogram) {
            return Err(Status::BadArgument);
        }
        Ok(self.find(id)?.value.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defining_a_metric_twice_gives_one_number_and_one_value() {
        let (metrics, mut vm) = (Metrics::default(), MetricIds::default());
        let first = vm.define(&metrics, MetricKind::Counter, "a", &Limits::default()).unwrap();
        assert_eq!(vm.define(&metrics, MetricKind::Counter, "a", &Limits::default()), Ok(first));
        assert_eq!(first, 4);
        assert_eq!(vm.define(&metrics, MetricKind::Gauge, "a", &Limits::default()), Ok(5));
    }

    #[test]
    fn two_vms_count_into_the_same_metric() {
        let (metrics, mut a, mut b) =
            (Metrics::default(), MetricIds::default(), MetricIds::default());
        b.define(&metrics, MetricKind::Counter, "other", &Limits::default()).unwrap();
        let (in_a, in_b) = (
            a.define(&metrics, MetricKind::Counter, "n", &Limits::default()).unwrap(),
            b.define(&metrics, MetricKind::Counter, "n", &Limits::default()).unwrap(),
        );
        assert_ne!(in_a, in_b);
        a.increment(in_a, 2).unwrap();
        b.increment(in_b, 3).unwrap();
        assert_eq!(metrics.value("n"), Some(5));
    }

    #[test]
    fn counters_refuse_to_go_down_and_gauges_do_not() {
        let (metrics, mut vm) = (Metrics::default(), MetricIds::default());
        let counter = vm.define(&metrics, MetricKind::Counter, "c", &Limits::default()).unwrap();
        let gauge = vm.define(&metrics, MetricKind::Gauge, "g", &Limits::default()).unwrap();
        let histogram =
            vm.define(&metrics, MetricKind::Histogram, "h", &Limits::default()).unwrap();
        assert_eq!(vm.increment(counter, 0), Err(Status::BadArgument));
        assert_eq!(vm.increment(histogram, 1), Err(Status::BadArgument));
        vm.record(gauge, 5).unwrap();
        vm.increment(gauge, -2).unwrap();
        assert_eq!(vm.get(gauge), Ok(3));
        vm.record(histogram, 9).unwrap();
        assert_eq!(vm.get(histogram), Err(Status::BadArgument));
        assert_eq!(
            metrics.snapshot()[2].histogram,
            Some(HistogramValue { count: 1, sum: 9, min: 9, max: 9 })
        );
    }

    #[test]
    fn numbers_that_were_never_given_out_are_not_found() {
        let vm = MetricIds::default();
        for id in [0, 4, 8, u32::MAX - 3] {
            assert_eq!(vm.get(id), Err(Status::NotFound), "{id}");
        }
        assert_eq!(vm.get(3), Err(Status::BadArgument));
        assert_eq!(vm.record(3, 1), Err(Status::NotFound));
    }

    #[test]
    fn a_vm_may_not_define_more_metrics_than_its_limit() {
        let (metrics, mut vm) = (Metrics::default(), MetricIds::default());
        let limits = Limits { metrics: 1, ..Limits::default() };
        vm.define(&metrics, MetricKind::Counter, "a", &limits).unwrap();
        let more = vm.define(&metrics, MetricKind::Counter, "b", &limits);
        assert_eq!(more, Err(Refused::Limit("metrics")));
        assert_eq!(metrics.value("b"), None);
    }

    #[test]
    fn the_names_of_metrics_count() {
        let (metrics, mut vm) = (Metrics::default(), MetricIds::default());
        let limits = Limits { metric_bytes: 3, ..Limits::default() };
        vm.define(&metrics, MetricKind::Counter, "ab", &limits).unwrap();
        vm.define(&metrics, MetricKind::Counter, "ab", &limits).unwrap();
        let more = vm.define(&metrics, MetricKind::Counter, "cd", &limits);
        assert_eq!(more, Err(Refused::Limit("metric_bytes")));
    }

    #[test]
    fn vms_that_are_built_again_cannot_fill_the_registry_with_new_names() {
        let metrics = Metrics::default();
        let limits = Limits { metric_bytes: 16 << 20, ..Limits::default() };
        let built = (0..10).map(|build| {
            let name = format!("{build}{}", "n".repeat(8 << 20));
            MetricIds::default().define(&metrics, MetricKind::Counter, &name, &limits)
        });
        assert_eq!(built.filter(Result::is_ok).count(), 7);
    }
}
