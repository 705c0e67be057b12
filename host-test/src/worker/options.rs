//! How a worker is set up.

/// The options of a worker. The default records nothing and uses the operating system's random
/// bytes.
///
/// ```
/// use gatepost_host::{Host, Message, Worker, WorkerOptions};
/// # use gatepost_host_fixtures::*;
/// # let chain = chain("tag");
///
/// let options = WorkerOptions { seed: Some(7), record: true };
/// let mut worker = Worker::with_options(&chain, Host::default(), &options)?;
/// # let request = Message::new(request());
/// let finished = worker.run(request, &mut |_: &Message| None);
/// let events: Vec<String> = finished.recorded.iter().map(ToString::to_string).collect();
/// assert!(events.iter().any(|event| event.contains("proxy_add_header_map_value")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct WorkerOptions {
    /// Makes the guests' random bytes follow from this number.
    pub seed: Option<u64>,
    /// Records events, for [`Worker::take_recorded`](crate::Worker::take_recorded) and
    /// [`Worker::take_recorded_by_roots`](crate::Worker::take_recorded_by_roots). They are kept
    /// until they are taken.
    pub record: bool,
}
