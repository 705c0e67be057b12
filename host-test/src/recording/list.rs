//! A recorder that keeps every event in one list in memory.

use std::sync::{Arc, Mutex, PoisonError};

use super::event::{Recorded, Recorder};

/// Keeps every event in one ordered list. Clones share the list: give one to each VM, and read
/// another.
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
    events: Arc<Mutex<Vec<Recorded>>>,
}

impl Recording {
    /// Takes the events so far out of the list.
    #[must_use]
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Recorded>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for Recording {
    fn record(&mut self, recorded: Recorded) {
        self.lock().push(recorded);
    }
}

impl std::fmt::Display for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lock().iter().try_for_each(|recorded| writeln!(f, "{recorded}"))
    }
}
