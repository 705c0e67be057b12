//! What all services of an echo upstream share: its name, and how a response looks.

use std::sync::{Mutex, PoisonError};

use http::Response;

/// The name of an upstream.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    /// The environment that it was deployed as; empty when none was given.
    pub(super) env: String,
    /// The status and headers of the responses from now on; none until a test gives them.
    pub(super) given: Mutex<Option<Response<()>>>,
}

impl Identity {
    /// The status and headers of a response, if a test gave them.
    pub(super) fn given(&self) -> Option<Response<()>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The service closes the connection (HTTP/2: the stream) instead of answering.
#[derive(Debug, thiserror::Error)]
#[error("the request asked for its connection to be closed")]
pub(super) struct Closed;

/// The body of a response.
pub(super) type Body = tonic::body::Body;
