//! A recorder that keeps every event in one list in memory.

use std::sync::{Arc, Mutex, PoisonError};

use super::event::{Recorded, RecordedEvent, Recorder};
use crate::bounded::DEFAULT_BYTES;

/// Keeps events in one ordered list, up to 64 MiB: then the list ends with
/// [`RecordedEvent::Stopped`], until its events are taken. Clones share the list: give one to each
/// VM, and read another.
///
/// ```
/// use gatepost_host::{Host, Recording, StreamInfo, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("tag");
///
/// let recording = Recording::default();
/// let recorder = Some(Box::new(recording.clone()) as _);
/// let mut vm = Vm::new(&module, Host::default(), VmOptions { recorder, ..VmOptions::default() })?;
/// # let plugin = vm.start_plugin(config("tag"))?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
/// let _start = recording.take();
/// let _ = vm.request_headers(stream, &mut headers, true)?;
/// let text = recording.to_string();
/// let lines: Vec<&str> = text.lines().collect();
/// assert_eq!(lines[0], "2 > proxy_on_request_headers(headers: 3, end_of_stream: 1)");
/// assert!(lines[1].starts_with("2   proxy_add_header_map_value(map: request_headers, "));
/// assert_eq!(lines[2], "2 < proxy_on_request_headers = 0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Display`](std::fmt::Display) writes one line for each event, for snapshot tests.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    events: Arc<Mutex<EventList>>,
}

impl Recording {
    /// An empty list for events that take so many bytes.
    ///
    /// ```
    /// use gatepost_host::{Recorder, Recording};
    ///
    /// let recording = Recording::with_limit(1 << 20);
    /// assert!(recording.take().is_empty());
    /// ```
    #[must_use]
    pub fn with_limit(bytes: usize) -> Self {
        Self { events: Arc::new(Mutex::new(EventList::new(bytes))) }
    }

    /// Takes the events so far out of the list.
    #[must_use]
    pub fn take(&self) -> Vec<Recorded> {
        self.lock().take().into_iter().map(|(_, recorded)| recorded).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, EventList> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for Recording {
    fn record(&mut self, recorded: Recorded) {
        self.lock().push(0, recorded);
    }
}

impl std::fmt::Display for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lock().events.iter().try_for_each(|(_, recorded)| writeln!(f, "{recorded}"))
    }
}

/// Events in order, each with the number of its VM, and a bound on what they take.
#[derive(Debug)]
pub(crate) struct EventList {
    events: Vec<(usize, Recorded)>,
    bytes: usize,
    limit: usize,
    is_full: bool,
}

impl Default for EventList {
    fn default() -> Self {
        Self::new(DEFAULT_BYTES)
    }
}

impl EventList {
    pub(crate) fn new(limit: usize) -> Self {
        Self { events: Vec::new(), bytes: 0, limit, is_full: false }
    }

    /// Adds an event. The first that has no room is replaced by the note that the list ends there,
    /// and those after it are dropped until [`forget`](Self::forget) makes room.
    pub(crate) fn push(&mut self, vm: usize, recorded: Recorded) {
        let bytes = self.bytes.saturating_add(recorded.bytes());
        if self.is_full {
            return;
        }
        let recorded = if bytes > self.limit {
            self.is_full = true;
            Recorded { event: RecordedEvent::Stopped { bytes: self.limit }, ..recorded }
        } else {
            recorded
        };
        self.bytes = self.bytes.saturating_add(recorded.bytes());
        self.events.push((vm, recorded));
    }

    /// Takes the events, which count until they are [forgotten](Self::forget).
    pub(crate) fn hand_over(&mut self) -> Vec<(usize, Recorded)> {
        std::mem::take(&mut self.events)
    }

    /// Events that were handed over take no more memory.
    pub(crate) fn forget<'a>(&mut self, events: impl IntoIterator<Item = &'a Recorded>) {
        let bytes: usize = events.into_iter().map(Recorded::bytes).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        self.is_full &= self.bytes >= self.limit;
    }

    fn take(&mut self) -> Vec<(usize, Recorded)> {
        (self.bytes, self.is_full) = (0, false);
        self.hand_over()
    }
}
