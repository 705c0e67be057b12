//! What can be asked of a worker and of its exchanges: how far they are, who waits, what failed. No
//! message moves by it.

use super::Worker;
use super::exchange::{Exchange, Iteration};
use super::message::{Direction, ExchangeId, LocalReplySent};
use crate::error::CallError;
use crate::stream::StreamInfo;

impl Worker {
    /// Whether the sender of a message should wait: plugins keep more of it than
    /// [`buffer_bytes`](crate::ChainOptions), and would keep all that comes.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let plugins = vec![ChainPlugin { module, config: PluginConfig::default() }];
    /// # let chain = Chain::with_options(plugins, ChainOptions { buffer_bytes: 4, ..ChainOptions::default() });
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// // This guest stops at the headers; the chain keeps at most 4 bytes for it.
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: false });
    /// worker.request(id, Part::Data { data: "four more".into(), end_stream: false });
    /// assert!(worker.holds_back(id, Direction::Request)); // read no more from the client
    ///
    /// # let callout = worker.callouts().remove(0);
    /// worker.answer(callout.id, CalloutAnswer::http(Headers::response([(":status", "200")]), "ok"));
    /// assert!(!worker.holds_back(id, Direction::Request));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn holds_back(&self, id: ExchangeId, direction: Direction) -> bool {
        let limit = self.guests.chain.options().buffer_bytes;
        self.exchange(id).is_some_and(|exchange| exchange.holds_back(direction, limit))
    }

    /// Whether the exchange is over: its response is out, or it was reset. Events may still wait.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/deny.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "deny", &wasm)?;
    /// # let config = PluginConfig { name: "deny".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo::default());
    /// assert!(!worker.is_over(id));
    /// worker.request(id, Part::Headers { headers, end_stream: true }); // this guest answers
    /// assert!(worker.is_over(id));
    /// assert!(matches!(worker.next(id), Some(Event::Response(_)))); // send it before you close the exchange
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_over(&self, id: ExchangeId) -> bool {
        self.exchange(id).is_none_or(|exchange| exchange.is_over)
    }

    /// The direction in which a plugin pauses.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// assert_eq!(worker.paused(id), Some(Direction::Request));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn paused(&self, id: ExchangeId) -> Option<Direction> {
        let exchange = self.exchange(id).filter(|exchange| !exchange.is_over)?;
        [Direction::Request, Direction::Response]
            .into_iter()
            .find(|direction| exchange.is_waiting(*direction))
    }

    /// The answer that was not the upstream's, if there was one.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/deny.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "deny", &wasm)?;
    /// # let config = PluginConfig { name: "deny".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// assert_eq!(worker.local_reply(id).unwrap().details.to_string(), "denied");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn local_reply(&self, id: ExchangeId) -> Option<&LocalReplySent> {
        self.exchange(id)?.reply.as_ref()
    }

    /// What is known of the exchange, with what guests have set.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/route.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "route", &wasm)?;
    /// # let config = PluginConfig { name: "route".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo { route_name: "shop".into(), ..StreamInfo::default() });
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// // This guest sets the property `seen`.
    /// let seen = worker.stream_info(id, |info| info.filter_state.get("wasm.seen").cloned());
    /// assert_eq!(seen.flatten().unwrap(), "yes");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream_info<T>(
        &mut self,
        id: ExchangeId,
        with: impl FnOnce(&mut StreamInfo) -> T,
    ) -> Option<T> {
        Some(self.exchange(id)?.info(with))
    }

    /// How many exchanges are open.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// let id = worker.open(StreamInfo::default());
    /// assert_eq!(worker.open_exchanges(), 1);
    /// worker.close(id);
    /// assert_eq!(worker.open_exchanges(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn open_exchanges(&self) -> usize {
        self.exchanges.len() - self.free.len()
    }

    /// How many streams the guests have open, in VMs that have not trapped.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo::default());
    /// assert_eq!(worker.open_streams(), 0); // a guest's stream opens with the request's headers
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// assert_eq!(worker.open_streams(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.guests
            .vms
            .iter()
            .map(|guest| &guest.vm)
            .filter(|vm| vm.trap().is_none())
            .map(crate::vm::Vm::open_streams)
            .sum()
    }

    /// Takes the traps since the last question; at most 1,024 are kept.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/trap.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "trap", &wasm)?;
    /// # let config = PluginConfig { name: "trap".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// let [error] = &worker.errors()[..] else { panic!("one trap") };
    /// assert_eq!(error.trap().unwrap().callback, "proxy_on_request_headers");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn errors(&mut self) -> Vec<CallError> {
        std::mem::take(&mut self.guests.errors)
    }
}

impl Exchange {
    /// Whether a plugin stops this message now.
    fn is_waiting(&self, direction: Direction) -> bool {
        !self.is_stopped(direction)
            && self.iterations(direction).any(|iteration| iteration != Iteration::Going)
    }
}
