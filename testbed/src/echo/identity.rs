//! What all services of an echo upstream share: its name, and how a response looks.

/// The name of an upstream.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    /// The environment that it was deployed as; empty when none was given.
    pub(super) env: String,
}

/// The service closes the connection (HTTP/2: the stream) instead of answering.
#[derive(Debug, thiserror::Error)]
#[error("the request asked for its connection to be closed")]
pub(super) struct Closed;

/// The body of a response.
pub(super) type Body = tonic::body::Body;
