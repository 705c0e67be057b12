//! A recorder for tests: the guest must make exactly the hostcalls that a test lists, in that
//! order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::event::{Recorded, RecordedEvent, Recorder};
use super::value::Value;
use crate::abi::Status;

/// A hostcall that a test expects.
///
/// ```
/// use gatepost_host::{ExpectedHostcall, Fields, MapKind, RecordedEvent, Status};
///
/// let event = RecordedEvent::Called {
///     hostcall: "proxy_get_header_map_value",
///     arguments: Fields(vec![("map", MapKind::RequestHeaders.into()), ("name", "x-tag".into())]),
///     status: Status::NotFound,
///     returned: Fields::default(),
/// };
/// // What the test does not name may have any value.
/// let expected = ExpectedHostcall::new("proxy_get_header_map_value");
/// assert!(expected.clone().matches(&event));
/// // A word of the ABI is written as text.
/// let expected = expected.with("map", "request_headers").answers(Status::NotFound);
/// assert!(expected.clone().matches(&event));
/// assert!(!expected.with("name", "x-other").matches(&event));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedHostcall {
    hostcall: String,
    arguments: Vec<(String, Value)>,
    status: Option<Status>,
}

impl ExpectedHostcall {
    /// Expects a hostcall of this name, with any arguments and any status.
    #[must_use]
    pub fn new(hostcall: &str) -> Self {
        Self { hostcall: hostcall.to_owned(), arguments: Vec::new(), status: None }
    }

    /// Expects this argument, by the name that recorded events use.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.arguments.push((name.to_owned(), value.into()));
        self
    }

    /// Expects this status.
    #[must_use]
    pub fn answers(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// Whether an event is this hostcall.
    #[must_use]
    pub fn matches(&self, event: &RecordedEvent) -> bool {
        let RecordedEvent::Called { hostcall, arguments, status, .. } = event else {
            return false;
        };
        *hostcall == self.hostcall
            && self.status.is_none_or(|want| want == *status)
            && self.arguments.iter().all(|(name, value)| {
                arguments.get(name).is_some_and(|have| match (have, value) {
                    // A test writes a word of the ABI as text.
                    (Value::Word(have), Value::Text(want)) => have.as_bytes() == want.as_bytes(),
                    _ => have == value,
                })
            })
    }
}

/// How a guest's hostcalls differ from the list of a test.
///
/// ```
/// use gatepost_host::{ExpectedHostcall, HostcallMismatch, StrictRecorder};
///
/// let recorder = StrictRecorder::new([ExpectedHostcall::new("proxy_log")]);
/// // No guest has run.
/// let missing = recorder.finish().unwrap_err();
/// assert!(matches!(missing, HostcallMismatch::Missing { at: 1, .. }));
/// assert!(missing.to_string().ends_with("but the guest made no more"));
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HostcallMismatch {
    /// The guest made a hostcall that is not the next one of the list.
    #[error("hostcall {at}: expected {}, got {got}", expected_text(.expected))]
    Unexpected {
        /// The hostcall's number, from 1.
        at: usize,
        /// The hostcall that the list has there; none after its end.
        expected: Option<ExpectedHostcall>,
        /// The hostcall that the guest made.
        got: Box<Recorded>,
    },
    /// The guest made fewer hostcalls than the list has.
    #[error("hostcall {at}: expected {expected:?}, but the guest made no more")]
    Missing {
        /// The hostcall's number, from 1.
        at: usize,
        /// The hostcall that the list has there.
        expected: ExpectedHostcall,
    },
}

fn expected_text(expected: &Option<ExpectedHostcall>) -> String {
    expected.as_ref().map_or("no more".to_owned(), |expected| format!("{expected:?}"))
}

#[derive(Debug, Default)]
struct Script {
    expected: VecDeque<ExpectedHostcall>,
    seen: usize,
    first_mismatch: Option<HostcallMismatch>,
}

/// Compares a guest's hostcalls with a list as they happen; callbacks are not compared. Clones
/// share the list: give one to the VM, and call [`finish`](Self::finish) on the other.
///
/// ```
/// use gatepost_host::{ExpectedHostcall, Host, StrictRecorder, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("count");
///
/// let strict = StrictRecorder::new([
///     ExpectedHostcall::new("proxy_define_metric").with("name", "requests"),
///     ExpectedHostcall::new("proxy_set_tick_period_milliseconds"),
///     ExpectedHostcall::new("proxy_log").with("level", "info").with("message", "tick"),
/// ]);
/// let options = VmOptions { recorder: Some(Box::new(strict.clone())), ..VmOptions::default() };
/// let mut vm = Vm::new(&module, Host::default(), options)?;
/// # let plugin = vm.start_plugin(config("count"))?;
/// vm.tick(plugin)?;
/// strict.finish()?;
///
/// vm.tick(plugin)?; // one hostcall too many
/// let error = strict.finish().unwrap_err();
/// assert!(error.to_string().starts_with("hostcall 4: expected no more, got "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StrictRecorder {
    script: Arc<Mutex<Script>>,
}

impl StrictRecorder {
    /// Expects exactly these hostcalls, in this order.
    pub fn new(expected: impl IntoIterator<Item = ExpectedHostcall>) -> Self {
        let script = Script { expected: expected.into_iter().collect(), ..Script::default() };
        Self { script: Arc::new(Mutex::new(script)) }
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that the guest made every hostcall of the list and no other.
    ///
    /// # Errors
    /// The first difference.
    pub fn finish(&self) -> Result<(), HostcallMismatch> {
        let script = self.lock();
        if let Some(mismatch) = &script.first_mismatch {
            return Err(mismatch.clone());
        }
        match script.expected.front() {
            Some(expected) => {
                let (at, expected) = (script.seen + 1, expected.clone());
                Err(HostcallMismatch::Missing { at, expected })
            }
            None => Ok(()),
        }
    }
}

impl Recorder for StrictRecorder {
    fn record(&mut self, recorded: Recorded) {
        if !matches!(recorded.event, RecordedEvent::Called { .. }) {
            return;
        }
        let mut script = self.lock();
        script.seen += 1;
        let expected = script.expected.pop_front();
        if script.first_mismatch.is_none()
            && !expected.as_ref().is_some_and(|expected| expected.matches(&recorded.event))
        {
            let (at, got) = (script.seen, Box::new(recorded));
            script.first_mismatch = Some(HostcallMismatch::Unexpected { at, expected, got });
        }
    }
}
