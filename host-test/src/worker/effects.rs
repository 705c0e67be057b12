//! What a worker has recorded, and whose it is.

use super::Worker;
use super::message::ExchangeId;
use crate::effect::Effect;

impl Worker {
    /// Takes what was recorded of an exchange's contexts, in order; also after it was closed.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let options = WorkerOptions { record: true, ..WorkerOptions::default() };
    /// # let mut worker = Worker::with_options(&chain, Host::default(), &options)?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// worker.close(id);
    /// let effects = worker.effects(id);
    /// assert!(effects[0].to_string().starts_with("2 > proxy_on_request_headers"));
    /// assert!(worker.effects(id).is_empty()); // they are taken
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn effects(&mut self, id: ExchangeId) -> Vec<Effect> {
        self.take_effects(|owner| owner == Some(id))
    }

    /// Takes what was recorded of root contexts and of starting VMs, in order.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/count.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "count", &wasm)?;
    /// # let config = PluginConfig { name: "count".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let options = WorkerOptions { record: true, ..WorkerOptions::default() };
    /// # let mut worker = Worker::with_options(&chain, Host::default(), &options)?;
    /// let started = worker.root_effects();
    /// assert_eq!(started.last().unwrap().to_string(), "1 < proxy_on_configure = 1");
    /// assert!(worker.root_effects().is_empty()); // they are taken
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn root_effects(&mut self) -> Vec<Effect> {
        self.take_effects(|owner| owner.is_none())
    }

    /// Takes everything that was recorded, of exchanges and of root contexts, in order.
    pub fn recorded(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.tape).into_iter().map(|(_, effect)| effect).collect()
    }

    fn take_effects(&mut self, wanted: impl Fn(Option<ExchangeId>) -> bool) -> Vec<Effect> {
        let (taken, left) = std::mem::take(&mut self.tape)
            .into_iter()
            .partition::<Vec<_>, _>(|(owner, _)| wanted(*owner));
        self.tape = left;
        taken.into_iter().map(|(_, effect)| effect).collect()
    }

    pub(super) fn collect_effects(&mut self) {
        for (vm, effect) in self.guests.recorded() {
            let owner = self.contexts.get(&(vm, effect.context)).copied();
            self.tape.push((owner, effect));
        }
    }
}
