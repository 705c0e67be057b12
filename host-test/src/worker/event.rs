//! What a worker is asked about and what it gives: exchanges, directions, events, and the result of
//! a whole exchange.

use std::sync::Arc;

use super::message::{Message, Part};
use crate::headers::HeaderScope;
use crate::recording::Recorded;
use crate::text::Text;

/// Identifies one exchange of one worker, a request and its response, until the exchange is closed.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let mut worker = worker("tag");
/// let (first, second) = (worker.open(StreamInfo::default()), worker.open(StreamInfo::default()));
/// worker.close(first);
/// assert!(worker.is_over(first));
/// assert!(!worker.is_over(second));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExchangeId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The two messages of an exchange.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let mut worker = worker("auth");
/// # let mut headers = request();
/// # let id = worker.open(StreamInfo::default());
/// worker.request(id, Part::Headers { headers, end_stream: true });
/// assert_eq!(worker.paused(id), Some(Direction::Request)); // this guest waits for an answer
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the upstream.
    Request = 0,
    /// From the upstream to the client.
    Response = 1,
}

impl Direction {
    /// The scope of this direction's trailers.
    pub(super) fn trailers(self) -> HeaderScope {
        match self {
            Direction::Request => HeaderScope::RequestTrailers,
            Direction::Response => HeaderScope::ResponseTrailers,
        }
    }
}

/// Something that leaves a chain.
///
/// ```
/// use gatepost_host::{Event, Part};
/// # use gatepost_host_fixtures::*;
/// # let mut worker = worker("tag");
/// # let mut headers = request();
///
/// let id = worker.open(StreamInfo::default());
/// worker.request(id, Part::Headers { headers, end_stream: true });
/// // This guest adds a header, and the route may depend on it.
/// assert_eq!(worker.next(id), Some(Event::RouteCacheCleared));
/// let Some(Event::Request(part)) = worker.next(id) else { panic!("the request continues") };
/// let Part::Headers { headers, .. } = part else { panic!("headers come first") };
/// assert_eq!(headers.get("x-tag"), Some(&b"blue"[..]));
/// assert_eq!(worker.next(id), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part of the request, for the upstream.
    Request(Part),
    /// Reset the stream to the upstream, on which a part of the request was sent.
    RequestReset,
    /// A part of the response, for the client.
    Response(Part),
    /// Reset the client's stream: the response does not continue.
    ResponseReset,
    /// A guest has changed something that the route may depend on: select the route again. It comes
    /// at most once, and only before the request's headers.
    RouteCacheCleared,
}

/// The local reply that a client got instead of the upstream's response.
///
/// ```
/// use gatepost_host::{Message, Worker};
/// # use gatepost_host_fixtures::*;
/// # let mut worker = worker("deny");
/// # let request = Message::new(request());
///
/// let finished = worker.run(request, &mut |_: &Message| None);
/// let reply = finished.local_reply.unwrap();
/// assert_eq!((reply.status, reply.plugin.as_deref()), (403, Some("deny")));
/// assert_eq!(reply.details.to_string(), "denied");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReplySent {
    /// The plugin that answered; none if the chain itself did, as for a body that is too large.
    pub plugin: Option<Arc<str>>,
    /// The HTTP status of the reply. A gRPC client gets 200 and the gRPC status for it.
    pub status: u32,
    /// The reason: the guest's details, or Envoy's, as in `request_payload_too_large`.
    pub details: Text,
}

/// The result of an exchange that was run whole.
///
/// ```
/// use gatepost_host::{Direction, Finished, Message};
/// # use gatepost_host_fixtures::*;
/// # let mut worker = worker("auth");
/// # let request = Message::new(request());
///
/// // This guest makes a callout first. A closure answers no callouts, so the callout fails.
/// let finished: Finished = worker.run(request.clone(), &mut |_: &Message| None);
/// assert_eq!(finished.upstream_request, None);
/// assert_eq!(finished.response.unwrap().headers.get(":status"), Some(&b"403"[..]));
/// assert_eq!(finished.local_reply.unwrap().plugin.as_deref(), Some("auth"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finished {
    /// The request as the upstream got it; none if the upstream did not get it whole.
    pub upstream_request: Option<Message>,
    /// The response as the client got it; none if the stream was reset or the exchange still waits.
    pub response: Option<Message>,
    /// The local reply, if the response was one.
    pub local_reply: Option<LocalReplySent>,
    /// The direction that a plugin still paused when nothing more could happen.
    pub paused: Option<Direction>,
    /// The field of [`WorkerOptions`](crate::WorkerOptions) that ended the run, if one did.
    pub limit: Option<&'static str>,
    /// Every event that was recorded during the exchange, in order, also of root contexts. Empty
    /// without [`WorkerOptions::record`](crate::WorkerOptions).
    pub recorded: Vec<Recorded>,
}
