//! What crosses a worker's boundary: parts of messages going in, events coming out, and whole
//! messages for those who have them whole.

use std::sync::Arc;

use bytes::Bytes;

use crate::effect::{Effect, Text};
use crate::headers::{HeaderScope, Headers};

/// Names one exchange of one worker: a request and its response. It stays valid until the exchange
/// is closed.
///
/// ```
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/tag.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
/// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
/// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
/// # let mut worker = Worker::new(&chain, Host::default())?;
/// let (first, second) = (worker.open(StreamInfo::default()), worker.open(StreamInfo::default()));
/// worker.close(first);
/// assert!(worker.is_over(first));
/// assert!(!worker.is_over(second));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExchangeId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The two messages of an exchange.
///
/// ```
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/auth.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
/// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
/// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
/// # let mut worker = Worker::new(&chain, Host::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// # let id = worker.open(StreamInfo::default());
/// worker.request(id, Part::Headers { headers, end_stream: true });
/// assert_eq!(worker.paused(id), Some(Direction::Request)); // this guest waits for an answer
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the upstream.
    Request = 0,
    /// From the upstream to the client.
    Response = 1,
}

/// A part of a message. Headers come first and once, then data, then trailers or not; `end_stream`
/// is true on the last part.
///
/// ```
/// use gatepost_host::{Headers, Part};
///
/// # let headers = Headers::request([(":method", "POST"), (":path", "/")]);
/// let parts = [
///     Part::Headers { headers, end_stream: false },
///     Part::Data { data: "one".into(), end_stream: false },
///     Part::Data { data: "two".into(), end_stream: true },
/// ];
/// assert_eq!(parts.map(|part| part.end_stream()), [false, false, true]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The headers, pseudo-headers among them.
    Headers {
        /// The map.
        headers: Headers,
        /// Whether nothing follows.
        end_stream: bool,
    },
    /// A piece of the body.
    Data {
        /// The bytes; they may be none.
        data: Bytes,
        /// Whether nothing follows.
        end_stream: bool,
    },
    /// The trailers. Nothing follows.
    Trailers(Headers),
}

impl Part {
    /// Whether nothing follows.
    #[must_use]
    pub fn end_stream(&self) -> bool {
        match self {
            Part::Headers { end_stream, .. } | Part::Data { end_stream, .. } => *end_stream,
            Part::Trailers(_) => true,
        }
    }
}

/// What leaves a chain.
///
/// ```
/// use gatepost_host::{Event, Part};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/tag.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
/// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
/// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
/// # let mut worker = Worker::new(&chain, Host::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
///
/// let id = worker.open(StreamInfo::default());
/// worker.request(id, Part::Headers { headers, end_stream: true });
/// // This guest adds a header, on which the route may depend.
/// assert_eq!(worker.next(id), Some(Event::RouteCacheCleared));
/// let Some(Event::Request(Part::Headers { headers, .. })) = worker.next(id) else { panic!("the request goes on") };
/// assert_eq!(headers.get("x-tag"), Some(&b"blue"[..]));
/// assert_eq!(worker.next(id), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part of the request goes to the upstream.
    Request(Part),
    /// The upstream's part is no longer wanted: what was sent of the request is to be reset.
    RequestReset,
    /// A part of the response goes to the client.
    Response(Part),
    /// The response ends here unfinished: reset the client's stream.
    ResponseReset,
    /// A guest has changed what the route depends on: choose it anew before the request goes out.
    /// At most once, and only before the request's headers.
    RouteCacheCleared,
}

/// An answer that was not the upstream's.
///
/// ```
/// use gatepost_host::{Message, Worker};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/deny.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "deny", &wasm)?;
/// # let config = PluginConfig { name: "deny".into(), ..PluginConfig::default() };
/// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
/// # let mut worker = Worker::new(&chain, Host::default())?;
/// # let headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// # let request = Message::new(headers);
///
/// let finished = worker.run(request, &mut |_: &Message| None);
/// let reply = finished.local_reply.unwrap();
/// assert_eq!((reply.status, reply.plugin.as_deref()), (403, Some("deny")));
/// assert_eq!(reply.details.to_string(), "denied");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReplySent {
    /// Whose answer it is; none when the chain itself gave it, as for a body that is too large.
    pub plugin: Option<Arc<str>>,
    /// The HTTP status that was asked for. A gRPC client gets 200, and a gRPC status made from it.
    pub status: u32,
    /// Why: what the guest said, or Envoy's name for it, as in `request_payload_too_large`.
    pub details: Text,
}

/// How a message ends.
///
/// ```
/// use gatepost_host::{End, Headers, Message};
///
/// let parts = |end| Message { end, ..Message::new(Headers::request([(":path", "/")])).with_body("all") }.into_parts().count();
/// assert_eq!(parts(End::OnLast), 2);
/// assert_eq!(parts(End::Empty), 3); // some clients end a body so: a plugin must not count on the last piece having bytes
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// With its last part.
    #[default]
    OnLast,
    /// With an empty piece of body after its last part. One that has trailers ends with them.
    Empty,
}

/// A whole message.
///
/// ```
/// use gatepost_host::{HeaderScope, Headers, Message, Part};
///
/// let mut message = Message::new(Headers::request([(":method", "POST"), (":path", "/")])).with_body("one ");
/// message.body.push("two".into()); // in pieces, as a client may send it
/// message.trailers = Some(Headers::collect(HeaderScope::RequestTrailers, [("x-sum", "42")]));
/// assert_eq!(message.whole_body(), "one two");
///
/// let parts: Vec<Part> = message.clone().into_parts().collect();
/// assert!(matches!(&parts[..], [Part::Headers { .. }, Part::Data { .. }, Part::Data { .. }, Part::Trailers(_)]));
///
/// let mut again = Message::default();
/// parts.into_iter().for_each(|part| again.push(part));
/// assert_eq!(again, message);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The headers.
    pub headers: Headers,
    /// The pieces of the body, in order.
    pub body: Vec<Bytes>,
    /// The trailers.
    pub trailers: Option<Headers>,
    /// How it ends.
    pub end: End,
}

impl Message {
    /// A message without a body.
    #[must_use]
    pub fn new(headers: Headers) -> Self {
        Self { headers, ..Self::default() }
    }

    /// The same with a body of one piece.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let message = Message::new(Headers::response([(":status", "200")])).with_body("hello");
    /// assert_eq!(message.body, ["hello"]);
    /// assert_eq!(message.end, End::OnLast);
    /// ```
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = vec![body.into()];
        self
    }

    /// The body in one piece.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut message = Message::new(Headers::request([(":path", "/")]));
    /// message.body = vec!["one ".into(), "two".into()];
    /// assert_eq!(message.whole_body(), "one two");
    /// ```
    #[must_use]
    pub fn whole_body(&self) -> Bytes {
        match &self.body[..] {
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }

    /// The parts in order.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let message = Message::new(Headers::request([(":path", "/")])).with_body("all");
    /// let ends: Vec<bool> = message.into_parts().map(|part| part.end_stream()).collect();
    /// assert_eq!(ends, [false, true]);
    /// ```
    pub fn into_parts(self) -> impl Iterator<Item = Part> {
        let Message { headers, body, trailers, end } = self;
        let mut parts = vec![Part::Headers { headers, end_stream: false }];
        parts.extend(body.into_iter().map(|data| Part::Data { data, end_stream: false }));
        if trailers.is_none() && end == End::Empty {
            parts.push(Part::Data { data: Bytes::new(), end_stream: false });
        }
        parts.extend(trailers.map(Part::Trailers));
        if let Some(Part::Headers { end_stream, .. } | Part::Data { end_stream, .. }) =
            parts.last_mut()
        {
            *end_stream = true;
        }
        parts.into_iter()
    }

    /// Adds a part that has arrived.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut message = Message::default();
    /// message.push(Part::Data { data: "one".into(), end_stream: false });
    /// message.push(Part::Data { data: "".into(), end_stream: true }); // an empty piece leaves nothing
    /// assert_eq!(message.body, ["one"]);
    /// ```
    pub fn push(&mut self, part: Part) {
        match part {
            Part::Headers { headers, .. } => self.headers = headers,
            Part::Data { data, .. } => {
                if !data.is_empty() {
                    self.body.push(data);
                }
            }
            Part::Trailers(trailers) => self.trailers = Some(trailers),
        }
    }
}

/// What became of an exchange that was run whole.
///
/// ```
/// use gatepost_host::{Direction, Finished, Message};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/auth.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
/// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
/// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
/// # let mut worker = Worker::new(&chain, Host::default())?;
/// # let headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// # let request = Message::new(headers);
///
/// // This guest asks before it lets the request go on. The closure answers no callouts, so its answer is 503.
/// let finished: Finished = worker.run(request.clone(), &mut |_: &Message| None);
/// assert_eq!(finished.upstream_request, None);
/// assert_eq!(finished.response.unwrap().headers.get(":status"), Some(&b"403"[..]));
/// assert_eq!(finished.local_reply.unwrap().plugin.as_deref(), Some("auth"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finished {
    /// The request as it went upstream; none when it did not, or not whole.
    pub upstream_request: Option<Message>,
    /// The response as the client got it; none when the stream was reset or the exchange still
    /// waits.
    pub response: Option<Message>,
    /// Why the chain answered itself, if it did.
    pub local_reply: Option<LocalReplySent>,
    /// The direction in which a plugin still paused when nothing more could happen.
    pub paused: Option<Direction>,
    /// Everything that was recorded meanwhile, in order, root contexts included. Empty without
    /// [`WorkerOptions::record`](crate::WorkerOptions).
    pub effects: Vec<Effect>,
}

/// A default map is a request's; a response's headers need their own rules.
impl Direction {
    pub(crate) fn trailers(self) -> HeaderScope {
        match self {
            Direction::Request => HeaderScope::RequestTrailers,
            Direction::Response => HeaderScope::ResponseTrailers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(message: Message) -> Vec<(&'static str, bool)> {
        let name = |part: &Part| match part {
            Part::Headers { .. } => "headers",
            Part::Data { .. } => "data",
            Part::Trailers(_) => "trailers",
        };
        message.into_parts().map(|part| (name(&part), part.end_stream())).collect()
    }

    #[test]
    fn a_message_ends_with_its_last_part_or_with_an_empty_one() {
        let bare = || Message::new(Headers::request([(":path", "/")]));
        assert_eq!(shape(bare()), [("headers", true)]);
        assert_eq!(
            shape(Message { end: End::Empty, ..bare() }),
            [("headers", false), ("data", true)]
        );
        assert_eq!(shape(bare().with_body("a")), [("headers", false), ("data", true)]);
        let trailers = Some(Headers::new(HeaderScope::RequestTrailers));
        let parts = shape(Message { trailers, end: End::Empty, ..bare().with_body("a") });
        assert_eq!(parts, [("headers", false), ("data", false), ("trailers", true)]);
    }
}
