//! How a worker is set up.

use crate::bounded::DEFAULT_BYTES;

/// The options of a worker. The default records nothing and uses the operating system's random
/// bytes.
///
/// ```
/// use gatepost_host::{Host, Message, Worker, WorkerOptions};
/// # use gatepost_host_fixtures::*;
/// # let chain = chain("tag");
///
/// let options = WorkerOptions { seed: Some(7), record: true, ..WorkerOptions::default() };
/// let mut worker = Worker::with_options(&chain, Host::default(), &options)?;
/// # let request = Message::new(request());
/// let finished = worker.run(request, &mut |_: &Message| None);
/// let events: Vec<String> = finished.recorded.iter().map(ToString::to_string).collect();
/// assert!(events.iter().any(|event| event.contains("proxy_add_header_map_value")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Makes the guests' random bytes follow from this number.
    pub seed: Option<u64>,
    /// Records events, for [`Worker::take_recorded`](crate::Worker::take_recorded) and
    /// [`Worker::take_recorded_by_roots`](crate::Worker::take_recorded_by_roots). They are kept
    /// until they are taken.
    pub record: bool,
    /// Bytes that the recorded events may take. Default 64 MiB. Beyond it events are dropped, after
    /// a [`RecordedEvent::Stopped`](crate::RecordedEvent), until some are taken.
    pub recorded_bytes: usize,
    /// Timers and answers of callouts in one [`Worker::run`](crate::Worker::run), which a guest
    /// that makes a callout for each answer would keep running for ever. Default 10,000. Beyond it
    /// the run ends, and [`Finished::limit`](crate::Finished) says so.
    pub events_per_run: usize,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self { seed: None, record: false, recorded_bytes: DEFAULT_BYTES, events_per_run: 10_000 }
    }
}
