//! The strict recorder: a guest may make exactly the hostcalls that a test lists, in that order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Effect, EffectEvent, Recorder, Value};
use crate::abi::Status;

/// A hostcall that a test expects.
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

/// Compares hostcalls with a list as they happen; callbacks are not compared. Clones share the list: give one to the VM, ask the
/// other with [`finish`](Self::finish).
#[derive(Clone, Debug)]
pub struct StrictEffects {
    script: Arc<Mutex<Script>>,
}

impl StrictEffects {
    /// Expects exactly these hostcalls, in this order.
    pub fn new(expected: impl IntoIterator<Item = Expected>) -> Self {
        let script = Script { expected: expected.into_iter().collect(), ..Script::default() };
        Self { script: Arc::new(Mutex::new(script)) }
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything came as listed, and nothing else.
    ///
    /// # Errors
    /// The first thing that did not.
    pub fn finish(&self) -> Result<(), Mismatch> {
        let script = self.lock();
        if let Some(wrong) = &script.first_wrong {
            return Err(wrong.clone());
        }
        match script.expected.front() {
            Some(expected) => Err(Mismatch::Missing { at: script.seen + 1, expected: expected.clone() }),
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
        if script.first_wrong.is_none() && !expected.as_ref().is_some_and(|expected| expected.matches(&effect.event)) {
            script.first_wrong = Some(Mismatch::Unexpected { at: script.seen, expected, got: Box::new(effect) });
        }
    }
}
