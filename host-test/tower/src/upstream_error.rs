//! Errors of the service behind the layer, and the responses that clients get for them, as Envoy's
//! router makes them for a failed upstream.

/// Decides what the client gets when the service behind the layer fails. Any function from an error
/// to an [`UpstreamFailure`] does.
pub trait UpstreamErrors<E> {
    /// What the client gets instead of a response.
    fn failure(&self, error: &E) -> UpstreamFailure;
}

impl<E, F: Fn(&E) -> UpstreamFailure> UpstreamErrors<E> for F {
    fn failure(&self, error: &E) -> UpstreamFailure {
        self(error)
    }
}

/// Every error is a [connection failure](UpstreamFailure::CONNECTION_FAILURE).
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyFailure;

impl<E> UpstreamErrors<E> for AnyFailure {
    fn failure(&self, _error: &E) -> UpstreamFailure {
        UpstreamFailure::CONNECTION_FAILURE
    }
}

/// How an upstream failed that gave no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// Its stream was reset, for a reason in Envoy's words. The client gets Envoy's answer: 503, or
    /// 502 for a `protocol error`, with the body
    /// `upstream connect error or disconnect/reset before headers. reset reason: …`.
    Reset(&'static str),
    /// The layer answers instead. Guests see this response as a local reply.
    Reply {
        /// The HTTP status; a gRPC client gets a gRPC status made from it.
        status: u16,
        /// The body.
        body: String,
        /// Why, for the property `response.code_details`.
        details: String,
    },
}

impl UpstreamFailure {
    /// No connection could be made.
    pub const CONNECTION_FAILURE: Self = Self::Reset("remote connection failure");
    /// The connection ended before a response began.
    pub const CONNECTION_TERMINATION: Self = Self::Reset("connection termination");
    /// The upstream reset its stream.
    pub const REMOTE_RESET: Self = Self::Reset("remote reset");
    /// What the upstream sent was no HTTP.
    pub const PROTOCOL_ERROR: Self = Self::Reset("protocol error");
}
