//! The strict recorder: a guest may make exactly the hostcalls that a test lists, in that order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Effect, EffectEvent, Recorder, Value};
use crate::abi::Status;

/// A hostcall that a test expects.
///
/// ```
/// use gatepost_host::{Effect, EffectEvent, Expected, Fields, MapKind, Status};
///
/// let event = EffectEvent::Called {
///     hostcall: "proxy_get_header_map_value",
///     arguments: Fields(vec![("map", MapKind::RequestHeaders.into()), ("name", "x-tag".into())]),
///     status: Status::NotFound,
///     returned: Fields::default(),
/// };
/// // What is not said of the call may be anything; a word of the ABI is written as text.
/// assert!(Expected::call("proxy_get_header_map_value").matches(&event));
/// assert!(Expected::call("proxy_get_header_map_value").with("map", "request_headers").answers(Status::NotFound).matches(&event));
/// assert!(!Expected::call("proxy_get_header_map_value").with("name", "x-other").matches(&event));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    hostcall: String,
    arguments: Vec<(String, Value)>,
    status: Option<Status>,
}

impl Expected {
    /// A hostcall by its name, whatever its arguments and its answer.
    #[must_use]
    pub fn call(hostcall: &str) -> Self {
        Self { hostcall: hostcall.to_owned(), arguments: Vec::new(), status: None }
    }

    /// With this argument too.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// // An argument or result goes by the name that it has in an effect.
    /// let expected = Expected::call("proxy_log").with("level", "info").with("message", "tick");
    /// let event = EffectEvent::Called {
    ///     hostcall: "proxy_log",
    ///     arguments: Fields(vec![("level", LogLevel::Info.into()), ("message", "tick".into())]),
    ///     status: Status::Ok,
    ///     returned: Fields::default(),
    /// };
    /// assert!(expected.matches(&event));
    /// ```
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.arguments.push((name.to_owned(), value.into()));
        self
    }

    /// And with this answer.
    #[must_use]
    pub fn answers(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// Whether an effect is this hostcall.
    #[must_use]
    pub fn matches(&self, event: &EffectEvent) -> bool {
        let EffectEvent::Called { hostcall, arguments, status, .. } = event else { return false };
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

/// How a guest did something else than a test lists.
///
/// ```
/// use gatepost_host::{Expected, Mismatch, StrictEffects};
///
/// let strict = StrictEffects::new([Expected::call("proxy_log")]);
/// // No guest has run.
/// let missing = strict.finish().unwrap_err();
/// assert!(matches!(missing, Mismatch::Missing { at: 1, .. }));
/// assert!(missing.to_string().ends_with("but the guest made no more"));
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// A hostcall that is not the next one of the list.
    #[error("hostcall {at}: expected {}, got {got}", .expected.as_ref().map_or("no more".to_owned(), |expected| format!("{expected:?}")))]
    Unexpected {
        /// The hostcall's number, from 1.
        at: usize,
        /// What the list has there; none when it is over.
        expected: Option<Expected>,
        /// What came.
        got: Box<Effect>,
    },
    /// The list goes on, the guest did not.
    #[error("hostcall {at}: expected {expected:?}, but the guest made no more")]
    Missing {
        /// The hostcall's number, from 1.
        at: usize,
        /// What the list has there.
        expected: Expected,
    },
}

#[derive(Debug, Default)]
struct Script {
    expected: VecDeque<Expected>,
    seen: usize,
    first_wrong: Option<Mismatch>,
}

/// Compares hostcalls with a list as they happen; callbacks are not compared. Clones share the
/// list: give one to the VM, ask the other with [`finish`](Self::finish).
///
/// ```
/// use gatepost_host::{Expected, StrictEffects, Vm, VmOptions};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/count.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "count", &wasm)?;
///
/// let strict = StrictEffects::new([
///     Expected::call("proxy_define_metric").with("name", "requests"),
///     Expected::call("proxy_set_tick_period_milliseconds"),
///     Expected::call("proxy_log").with("level", "info").with("message", "tick"),
/// ]);
/// let options = VmOptions { recorder: Some(Box::new(strict.clone())), ..VmOptions::default() };
/// let mut vm = Vm::new(&module, Host::default(), options)?;
/// # let plugin = vm.start_plugin(PluginConfig::default())?;
/// vm.tick(plugin)?;
/// strict.finish()?;
///
/// vm.tick(plugin)?; // once too often
/// assert!(strict.finish().unwrap_err().to_string().starts_with("hostcall 4: expected no more, got "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StrictEffects {
    script: Arc<Mutex<Script>>,
}

impl StrictEffects {
    /// Expects exactly these hostcalls, in this order.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let strict = StrictEffects::new(["proxy_get_buffer_bytes", "proxy_log"].map(Expected::call));
    /// assert!(strict.finish().is_err()); // no guest has run
    /// ```
    pub fn new(expected: impl IntoIterator<Item = Expected>) -> Self {
        let script = Script { expected: expected.into_iter().collect(), ..Script::default() };
        Self { script: Arc::new(Mutex::new(script)) }
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything came as listed, and nothing else.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// assert!(StrictEffects::new([]).finish().is_ok());
    /// assert!(StrictEffects::new([Expected::call("proxy_log")]).finish().is_err()); // nothing has come
    /// ```
    ///
    /// # Errors
    /// The first thing that did not.
    pub fn finish(&self) -> Result<(), Mismatch> {
        let script = self.lock();
        if let Some(wrong) = &script.first_wrong {
            return Err(wrong.clone());
        }
        match script.expected.front() {
            Some(expected) => {
                Err(Mismatch::Missing { at: script.seen + 1, expected: expected.clone() })
            }
            None => Ok(()),
        }
    }
}

impl Recorder for StrictEffects {
    fn record(&mut self, effect: Effect) {
        if !matches!(effect.event, EffectEvent::Called { .. }) {
            return;
        }
        let mut script = self.lock();
        script.seen += 1;
        let expected = script.expected.pop_front();
        if script.first_wrong.is_none()
            && !expected.as_ref().is_some_and(|expected| expected.matches(&effect.event))
        {
            script.first_wrong =
                Some(Mismatch::Unexpected { at: script.seen, expected, got: Box::new(effect) });
        }
    }
}
