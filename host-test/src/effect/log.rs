//! The plainest recorder: one list in memory.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Effect, Recorder};

/// Keeps every effect in one ordered list. Clones share it: give one to each VM, read another.
///
/// ```
/// use gatepost_host::{EffectLog, Vm, VmOptions};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/tag.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
///
/// let effects = EffectLog::default();
/// let options = VmOptions { recorder: Some(Box::new(effects.clone())), ..VmOptions::default() };
/// let mut vm = Vm::new(&module, Host::default(), options)?;
/// # let plugin = vm.start_plugin(PluginConfig { configuration: "blue".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// let _starting = effects.take();
/// let _ = vm.request_headers(stream, &mut headers, true)?;
/// assert_eq!(effects.to_string(), r#"
/// 2 > proxy_on_request_headers(headers: 3, end_of_stream: 1)
/// 2   proxy_add_header_map_value(map: request_headers, name: "x-tag", value: "blue") = Ok
/// 2 < proxy_on_request_headers = 0
/// "#.trim_start());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Its [`Display`](std::fmt::Display) is one line for each effect, made for snapshots.
#[derive(Clone, Debug, Default)]
pub struct EffectLog {
    effects: Arc<Mutex<Vec<Effect>>>,
}

impl EffectLog {
    /// Takes the effects so far out of the list.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let effects = EffectLog::default();
    /// # let event = EffectEvent::Left { callback: "proxy_on_tick", answer: None };
    /// # effects.clone().record(Effect { plugin: "p".into(), context: 1, event });
    /// assert_eq!(effects.take().len(), 1);
    /// assert_eq!(effects.take().len(), 0);
    /// ```
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
