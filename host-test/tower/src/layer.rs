//! The layer and its service: the two pieces that tower puts together.

use std::task::{Context, Poll};

use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::{BoxError, WasmBody};
use crate::future::WasmFuture;
use crate::pool::Pool;

/// Says what an error of the service behind the layer is to the client. Any function of the same
/// shape does.
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

/// What became of an upstream that gave no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// Its stream was reset, for a reason in Envoy's words. The client gets Envoy's answer: 503, or
    /// 502 for a `protocol error`, with the body
    /// `upstream connect error or disconnect/reset before headers. reset reason: …`.
    Reset(&'static str),
    /// The layer answers in its place. Guests see this response as a local reply.
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

/// Puts the chain of a [`Pool`] before a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WasmLayer<E = AnyFailure> {
    pool: Pool,
    errors: E,
}

impl WasmLayer {
    /// A layer that runs the pool's chain.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { pool, errors: AnyFailure }
    }
}

impl<E> WasmLayer<E> {
    /// The same with another mind about the service's errors.
    ///
    /// ```
    /// # use gatepost_host_tower::{Pool, UpstreamFailure, WasmLayer};
    /// # fn layer(pool: Pool) {
    /// let layer = WasmLayer::new(pool).map_errors(|error: &std::io::Error| match error.kind() {
    ///     std::io::ErrorKind::ConnectionReset => UpstreamFailure::CONNECTION_TERMINATION,
    ///     _ => UpstreamFailure::CONNECTION_FAILURE,
    /// });
    /// # let _ = layer;
    /// # }
    /// ```
    #[must_use]
    pub fn map_errors<F>(self, errors: F) -> WasmLayer<F> {
        WasmLayer { pool: self.pool, errors }
    }

    /// The pool that it runs.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl<S, E: Clone> Layer<S> for WasmLayer<E> {
    type Service = WasmService<S, E>;

    fn layer(&self, inner: S) -> Self::Service {
        WasmService { inner, layer: self.clone() }
    }
}

/// A service behind a chain of plugins.
///
/// Its responses never fail: an error of the service becomes a response, as Envoy's router makes
/// one of a failed upstream. The error type stays the service's, so that whoever wants an
/// infallible service still has one; a service that is not ready with an error says so. The service
/// is cloned for each request, because it gets the request only when the plugins let it go.
#[derive(Clone, Debug)]
pub struct WasmService<S, E = AnyFailure> {
    inner: S,
    layer: WasmLayer<E>,
}

impl<S, E> WasmService<S, E> {
    /// Puts the pool's chain before a service.
    #[must_use]
    pub fn new(inner: S, layer: WasmLayer<E>) -> Self {
        Self { inner, layer }
    }

    /// The service behind.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, E, B, R> Service<http::Request<B>> for WasmService<S, E>
where
    S: Service<http::Request<WasmBody<B>>, Response = http::Response<R>> + Clone,
    E: UpstreamErrors<S::Error> + Clone,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = http::Response<WasmBody<R>>;
    type Error = S::Error;
    type Future = WasmFuture<S, E, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        // The request reaches the service when the plugins let it; what is ready now is used then.
        let other = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, other);
        WasmFuture::new(&self.layer.pool, inner, self.layer.errors.clone(), request)
    }
}
