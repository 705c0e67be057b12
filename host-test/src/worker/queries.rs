//! Questions about a worker and its exchanges: whether they are over or paused, what is open, and
//! what has trapped. None of them moves a message.

use super::event::{Direction, ExchangeId, LocalReplySent};
use super::exchange::{Exchange, Iteration};
use super::state::Worker;
use crate::error::CallError;
use crate::stream::StreamInfo;
use crate::vm::Vm;

impl Worker {
    /// Whether the sender of a message should wait: a plugin buffers more of it than
    /// [`buffer_bytes`](crate::ChainOptions).
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let module = module("auth");
    /// # let plugins = vec![ChainPlugin { module, config: PluginConfig::default() }];
    /// # let options = ChainOptions { buffer_bytes: 4, ..ChainOptions::default() };
    /// # let chain = Chain::with_options(plugins, options);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = request();
    /// // This guest stops at the headers; the chain buffers at most 4 bytes for it.
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: false });
    /// worker.request(id, Part::Data { data: "four more".into(), end_stream: false });
    /// assert!(worker.holds_back(id, Direction::Request)); // read no more from the client
    ///
    /// # let callout = worker.callouts().remove(0);
    /// let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "ok");
    /// worker.answer(callout.id, answer);
    /// assert!(!worker.holds_back(id, Direction::Request));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn holds_back(&self, id: ExchangeId, direction: Direction) -> bool {
        let limit = self.guests.chain.options().buffer_bytes;
        self.exchange(id).is_some_and(|exchange| exchange.holds_back(direction, limit))
    }

    /// Whether the exchange is over: its response was sent, or it was reset. There may be events
    /// that were not taken yet.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("deny");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// assert!(!worker.is_over(id));
    /// // This guest answers. Take the events before the exchange is closed.
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// assert!(worker.is_over(id));
    /// assert!(matches!(worker.next(id), Some(Event::Response(_))));
    /// ```
    #[must_use]
    pub fn is_over(&self, id: ExchangeId) -> bool {
        self.exchange(id).is_none_or(|exchange| exchange.is_over)
    }

    /// The direction that a plugin pauses.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("auth");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// assert_eq!(worker.paused(id), Some(Direction::Request));
    /// ```
    #[must_use]
    pub fn paused(&self, id: ExchangeId) -> Option<Direction> {
        let exchange = self.exchange(id).filter(|exchange| !exchange.is_over)?;
        [Direction::Request, Direction::Response]
            .into_iter()
            .find(|direction| exchange.is_waiting(*direction))
    }

    /// The local reply that the client gets instead of the upstream's response, if there is one.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("deny");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// assert_eq!(worker.local_reply(id).unwrap().details.to_string(), "denied");
    /// ```
    #[must_use]
    pub fn local_reply(&self, id: ExchangeId) -> Option<&LocalReplySent> {
        self.exchange(id)?.reply.as_ref()
    }

    /// Reads or changes what is known of the exchange, with the values that guests have set.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("route");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo { route_name: "shop".into(), ..StreamInfo::default() });
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// // This guest sets the property `seen`.
    /// let seen = worker.stream_info(id, |info| info.filter_state.get("wasm.seen").cloned());
    /// assert_eq!(seen.flatten().unwrap(), "yes");
    /// ```
    pub fn stream_info<T>(
        &mut self,
        id: ExchangeId,
        with: impl FnOnce(&mut StreamInfo) -> T,
    ) -> Option<T> {
        Some(self.exchange(id)?.info(with))
    }

    /// The number of open exchanges.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("tag");
    /// let id = worker.open(StreamInfo::default());
    /// assert_eq!(worker.open_exchanges(), 1);
    /// worker.close(id);
    /// assert_eq!(worker.open_exchanges(), 0);
    /// ```
    #[must_use]
    pub fn open_exchanges(&self) -> usize {
        self.exchanges.len() - self.free.len()
    }

    /// The number of streams that are open in VMs that have not trapped.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("auth");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// // A stream is opened when the request's headers reach the plugin.
    /// assert_eq!(worker.open_streams(), 0);
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// assert_eq!(worker.open_streams(), 1);
    /// ```
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.guests
            .vms
            .iter()
            .map(|guest| &guest.vm)
            .filter(|vm| vm.trap().is_none())
            .map(Vm::open_streams)
            .sum()
    }

    /// Takes the traps since the last call; at most 1,024 are kept.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("trap");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// let [error] = &worker.errors()[..] else { panic!("one trap") };
    /// assert_eq!(error.trap().unwrap().callback, "proxy_on_request_headers");
    /// ```
    pub fn errors(&mut self) -> Vec<CallError> {
        std::mem::take(&mut self.guests.errors)
    }
}

impl Exchange {
    /// Whether a plugin pauses this message.
    fn is_waiting(&self, direction: Direction) -> bool {
        !self.is_stopped(direction)
            && self.iterations(direction).any(|iteration| iteration != Iteration::Continue)
    }
}
