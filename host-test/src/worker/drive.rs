//! The exchanges of a worker: opening and closing them, giving them the parts of their messages,
//! and taking the events that come out.

use super::event::{Direction, Event, ExchangeId};
use super::exchange::Exchange;
use super::message::Part;
use super::reply::Reply;
use super::state::Worker;
use crate::stream::StreamInfo;

impl Worker {
    /// Opens an exchange: a request and its response. It takes memory until it is
    /// [closed](Self::close).
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("tag");
    /// let id = worker.open(StreamInfo { protocol: Some("HTTP/2"), ..StreamInfo::default() });
    /// assert_eq!(worker.open_exchanges(), 1);
    /// worker.close(id);
    /// assert_eq!(worker.open_exchanges(), 0);
    /// ```
    pub fn open(&mut self, mut info: StreamInfo) -> ExchangeId {
        let now = self.now();
        info.request_time_nanos.get_or_insert_with(|| self.guests.host.clock.wall_nanos());
        self.guests.reload();
        let slot = self.free.pop().unwrap_or_else(|| {
            self.exchanges.push(Exchange::default());
            u32::try_from(self.exchanges.len() - 1).unwrap_or(u32::MAX)
        });
        let exchange = &mut self.exchanges[slot as usize];
        exchange.open(slot, self.guests.plugins.len(), info, now);
        ExchangeId { slot, generation: exchange.generation }
    }

    /// Takes a part of the request from the client. Parts before the headers and after the end are
    /// ignored.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("redact");
    /// # let headers = Headers::request([(":method", "POST"), (":path", "/")]);
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: false });
    /// assert!(matches!(worker.next(id), Some(Event::Request(Part::Headers { .. }))));
    /// worker.request(id, Part::Data { data: "secret".into(), end_stream: true });
    /// // This guest replaces the body, and adds trailers.
    /// let data = Part::Data { data: "redacted".into(), end_stream: false };
    /// assert_eq!(worker.next(id), Some(Event::Request(data)));
    /// assert!(matches!(worker.next(id), Some(Event::Request(Part::Trailers(_)))));
    /// ```
    pub fn request(&mut self, id: ExchangeId, part: Part) {
        self.receive(id, Direction::Request, part);
    }

    /// Takes a part of the final response from the upstream. Informational responses do not pass
    /// the chain. Parts before the headers, after the end and after a local reply are ignored.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("tag");
    /// # let request = request();
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers: request, end_stream: true });
    /// let headers = Headers::response([(":status", "204")]);
    /// worker.response(id, Part::Headers { headers, end_stream: true });
    ///
    /// let mut events = std::iter::from_fn(|| worker.next(id));
    /// assert!(events.any(|event| matches!(event, Event::Response(part) if part.end_stream())));
    /// assert!(worker.is_over(id));
    /// ```
    pub fn response(&mut self, id: ExchangeId, part: Part) {
        self.receive(id, Direction::Response, part);
    }

    fn receive(&mut self, id: ExchangeId, direction: Direction, part: Part) {
        self.with(id, |exchange, guests| exchange.receive(guests, direction, part));
    }

    /// The client has reset its stream: the upstream is reset, and the guests' streams end.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("auth");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: false });
    /// assert_eq!(worker.open_streams(), 1); // the guest waits
    /// worker.client_reset(id);
    /// assert_eq!(worker.open_streams(), 0);
    /// assert!(worker.is_over(id));
    /// worker.close(id);
    /// ```
    pub fn client_reset(&mut self, id: ExchangeId) {
        self.with(id, Exchange::client_reset);
    }

    /// The upstream has reset its stream. Before its response began, the client gets 503 with the
    /// reason in Envoy's words, as in `remote connection failure` or `connection termination` (502
    /// for `protocol error`). After that the client's stream is reset.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("tag");
    /// # let mut headers = request();
    /// # let id = worker.open(StreamInfo::default());
    /// # worker.request(id, Part::Headers { headers, end_stream: true });
    /// worker.upstream_reset(id, "connection termination");
    /// let mut events = std::iter::from_fn(|| worker.next(id));
    /// let response = events.find_map(|event| match event {
    ///     Event::Response(Part::Headers { headers, .. }) => Some(headers),
    ///     _ => None,
    /// });
    /// assert_eq!(response.unwrap().get(":status"), Some(&b"503"[..]));
    /// ```
    pub fn upstream_reset(&mut self, id: ExchangeId, reason: &str) {
        self.with(id, |exchange, guests| {
            if !exchange.is_over && !exchange.message(Direction::Response).received_end {
                exchange.upstream_reset(guests, reason);
            }
        });
    }

    /// Answers with a local reply of the proxy, as when no route is found. If a response has begun,
    /// the client's stream is reset instead.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("tag");
    /// # let mut headers = request();
    /// # let id = worker.open(StreamInfo::default());
    /// # worker.request(id, Part::Headers { headers, end_stream: true });
    /// worker.reply(id, 404, "", "route_not_found");
    /// let reply = worker.local_reply(id).unwrap();
    /// assert_eq!((reply.status, reply.plugin.as_deref()), (404, None));
    /// ```
    pub fn reply(&mut self, id: ExchangeId, status: u16, body: &str, details: &str) {
        self.with(id, |exchange, guests| {
            exchange.upstream_ended = true;
            exchange.local_reply(guests, Reply::of_chain(status.into(), body, details));
        });
    }

    /// Takes the next event that leaves the chain; none if there is none now.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("tag");
    /// # let mut headers = request();
    /// # let id = worker.open(StreamInfo::default());
    /// # let (mut upstream, mut client) = (Vec::new(), Vec::new());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// while let Some(event) = worker.next(id) {
    ///     match event {
    ///         Event::Request(part) => upstream.push(part),
    ///         Event::Response(part) => client.push(part),
    ///         Event::RouteCacheCleared => println!("select the route again"),
    ///         Event::RequestReset => println!("reset the upstream's stream"),
    ///         Event::ResponseReset => println!("reset the client's stream"),
    ///     }
    /// }
    /// assert_eq!((upstream.len(), client.len()), (1, 0));
    /// ```
    pub fn next(&mut self, id: ExchangeId) -> Option<Event> {
        self.exchange_mut(id)?.events.pop_front()
    }

    /// Takes the exchanges that moved since the last call without a call for them: by a tick, by
    /// the answer to a callout, by a callback of another exchange, or by a trap. They may have new
    /// events.
    pub fn moved(&mut self) -> Vec<ExchangeId> {
        let mut moved = Vec::new();
        for slot in self.moved.drain(..) {
            let exchange = &mut self.exchanges[slot as usize];
            exchange.is_moved = false;
            if exchange.is_open {
                moved.push(ExchangeId { slot, generation: exchange.generation });
            }
        }
        moved
    }

    /// Closes an exchange. The guests' streams end, if they are open.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("auth");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// worker.close(id); // the guest paused the request; its stream ends
    /// assert_eq!((worker.open_exchanges(), worker.open_streams()), (0, 0));
    /// assert_eq!(worker.next(id), None);
    /// ```
    pub fn close(&mut self, id: ExchangeId) {
        if self.exchange(id).is_none() {
            return;
        }
        self.with(id, |exchange, guests| {
            exchange.client_reset(guests);
            exchange.finish(guests);
        });
        if let Some(exchange) = self.exchange_mut(id) {
            exchange.is_open = false;
            for context in std::mem::take(&mut exchange.contexts) {
                self.contexts.remove(&context);
            }
            self.free.push(id.slot);
        }
    }
}
