//! Entering the guest: set the context, apply fuel and epochs, call, and turn a trap into a report
//! that poisons the VM.

use std::sync::Arc;

use wasmtime::{Store, Trap, TypedFunc, WasmBacktrace, WasmParams, WasmResults};

use super::Name;
use crate::callbacks::{self, Export};
use crate::effect::{EffectEvent, Fields};
use crate::engine::EngineOptions;
use crate::error::{CallError, TrapReport};
use crate::plugin::Plugin;
use crate::state::{HostState, Place};
use crate::stream::{Stream, StreamId};

pub(super) struct Core {
    pub(super) module: Name,
    pub(super) store: Store<HostState>,
    pub(super) trap: Option<Arc<TrapReport>>,
    options: Arc<EngineOptions>,
}

impl Core {
    pub(super) fn new(module: Name, store: Store<HostState>, options: Arc<EngineOptions>) -> Self {
        Self { module, store, trap: None, options }
    }

    pub(super) fn check(&self) -> Result<(), CallError> {
        match &self.trap {
            Some(report) => Err(CallError::Poisoned(Arc::clone(report))),
            None => Ok(()),
        }
    }

    pub(super) fn check_plugin(&self, plugin: Plugin) -> Result<(), CallError> {
        self.check()?;
        match self.store.data().roots.get(plugin.slot as usize) {
            Some(root) if root.context == plugin.context && plugin.context != 0 => Ok(()),
            _ => Err(CallError::UnknownPlugin { context: plugin.context }),
        }
    }

    pub(super) fn stream(&self, stream: StreamId) -> Result<&Stream, CallError> {
        let open = self.store.data().streams.get(stream.slot as usize);
        open.filter(|open| open.context == stream.context)
            .ok_or(CallError::UnknownStream { context: stream.context })
    }

    pub(super) fn stream_mut(&mut self, stream: StreamId) -> Result<&mut Stream, CallError> {
        let open = self.store.data_mut().streams.get_mut(stream.slot as usize);
        open.filter(|open| open.context == stream.context)
            .ok_or(CallError::UnknownStream { context: stream.context })
    }

    pub(super) fn configuring(&mut self, slot: u32, on: bool) {
        if let Some(root) = self.store.data_mut().roots.get_mut(slot as usize) {
            root.configuring = on;
        }
    }

    /// Gives a callback its fuel and its time. An engine that counts needs some even when there is
    /// no limit.
    pub(super) fn arm(&mut self) {
        if self.options.fuel {
            let fuel = self.store.data().limits.fuel_per_callback.unwrap_or(u64::MAX);
            // It fails only on an engine that does not count fuel, which this one does.
            let _ = self.store.set_fuel(fuel);
        }
        if self.options.epochs {
            // wasmtime adds the ticks to the current epoch, so the most it takes is less than the
            // whole range.
            let ticks = self.store.data().limits.epochs_per_callback.unwrap_or(u64::MAX / 2);
            self.store.set_epoch_deadline(ticks);
        }
    }

    /// Calls a callback that gives no answer, if it is exported.
    pub(super) fn notify<P: Words>(
        &mut self,
        export: &Export<TypedFunc<P, ()>>,
        place: Place,
        params: P,
    ) -> Result<(), CallError> {
        match &export.function {
            Some(function) => self.call(export.name, place, function, params),
            None => self.check(),
        }
    }

    pub(super) fn call<P: Words, R: Words>(
        &mut self,
        name: &'static str,
        place: Place,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, CallError> {
        self.enter(name, place, params)?;
        match function.call(&mut self.store, params) {
            Ok(result) => {
                self.left(name, place, result);
                Ok(result)
            }
            Err(error) => Err(self.poison(name, place, &error)),
        }
    }

    /// As [`call`](Self::call), for a function that may also end by an error that is no fault.
    pub(super) fn call_until<P: Words>(
        &mut self,
        name: &'static str,
        place: Place,
        function: &TypedFunc<P, ()>,
        params: P,
        is_normal: impl FnOnce(&wasmtime::Error) -> bool,
    ) -> Result<(), CallError> {
        self.enter(name, place, params)?;
        match function.call(&mut self.store, params) {
            Err(error) if !is_normal(&error) => Err(self.poison(name, place, &error)),
            Ok(()) | Err(_) => {
                self.left(name, place, ());
                Ok(())
            }
        }
    }

    fn enter<P: Words>(
        &mut self,
        callback: &'static str,
        place: Place,
        params: P,
    ) -> Result<(), CallError> {
        self.check()?;
        self.arm();
        let state = self.store.data_mut();
        state.effective = place;
        state.entered = place;
        if state.recorder.is_some() {
            // The first is the context, which every effect has.
            let names = callbacks::parameters(callback).iter();
            let arguments = names
                .zip(params.words().skip(1))
                .map(|(name, word)| (*name, word.into()))
                .collect();
            state.record(EffectEvent::Entered { callback, arguments: Fields(arguments) });
        }
        Ok(())
    }

    #[inline]
    fn left<R: Words>(&mut self, callback: &'static str, place: Place, result: R) {
        let state = self.store.data_mut();
        if state.recorder.is_some() {
            state.effective = place;
            state.record(EffectEvent::Left { callback, answer: result.words().next() });
        }
    }

    #[cold]
    fn poison(
        &mut self,
        callback: &'static str,
        place: Place,
        error: &wasmtime::Error,
    ) -> CallError {
        let state = self.store.data_mut();
        state.effective = place;
        let guest = match state.root() {
            Some(root) if !root.config.name.is_empty() => {
                format!("{} (plugin {})", self.module, root.config.name)
            }
            _ => self.module.to_string(),
        };
        let limit = match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Some("fuel_per_callback"),
            Some(Trap::Interrupt) => Some("epochs_per_callback"),
            _ => state.limiter.denied,
        };
        let report = Arc::new(TrapReport {
            guest,
            callback,
            trap: error.root_cause().to_string(),
            limit,
            backtrace: error
                .downcast_ref::<WasmBacktrace>()
                .map(ToString::to_string)
                .unwrap_or_default(),
        });
        // What the hostcall that failed had noted is of no use any more.
        state.draft = None;
        state.record(EffectEvent::Trapped { callback, reason: report.trap.clone() });
        self.trap = Some(Arc::clone(&report));
        CallError::Trapped(report)
    }
}

/// The words that pass between host and guest in a callback: its parameters, or its result.
pub(super) trait Words: WasmParams + WasmResults + Copy {
    fn words(self) -> impl Iterator<Item = u32>;
}

impl Words for () {
    fn words(self) -> impl Iterator<Item = u32> {
        std::iter::empty()
    }
}

impl Words for u32 {
    fn words(self) -> impl Iterator<Item = u32> {
        std::iter::once(self)
    }
}

impl Words for (u32, u32) {
    fn words(self) -> impl Iterator<Item = u32> {
        [self.0, self.1].into_iter()
    }
}

impl Words for (u32, u32, u32) {
    fn words(self) -> impl Iterator<Item = u32> {
        [self.0, self.1, self.2].into_iter()
    }
}

impl Words for (u32, u32, u32, u32, u32) {
    fn words(self) -> impl Iterator<Item = u32> {
        [self.0, self.1, self.2, self.3, self.4].into_iter()
    }
}
