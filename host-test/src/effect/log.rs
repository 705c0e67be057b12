//! The plainest recorder: one list in memory.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Effect, Recorder};

/// Keeps every effect in one ordered list. Clones share it: give one to each VM, read another.
///
/// Its [`Display`](std::fmt::Display) is one line for each effect, made for snapshots.
#[derive(Clone, Debug, Default)]
pub struct EffectLog {
    effects: Arc<Mutex<Vec<Effect>>>,
}

impl EffectLog {
    /// Takes the effects so far out of the list.
    #[must_use]
    pub fn take(&self) -> Vec<Effect> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Effect>> {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for EffectLog {
    fn record(&mut self, effect: Effect) {
        self.lock().push(effect);
    }
}

impl std::fmt::Display for EffectLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lock().iter().try_for_each(|effect| writeln!(f, "{effect}"))
    }
}
