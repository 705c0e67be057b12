//! The layer, and the service that it makes of another: tower's two traits over a [`Pool`].

use std::task::{Context, Poll};

use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::{BoxError, WasmBody};
use crate::future::WasmFuture;
use crate::pool::Pool;
use crate::upstream_error::{AnyFailure, UpstreamErrors};

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
    /// The same layer, with another answer to the service's errors.
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
/// one of a failed upstream. Only readiness can fail, with the service's own error, so the service
/// behind an infallible one is infallible, too. The service is cloned for each request, because it
/// gets the request only when the plugins let it go on.
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
        // The plugins may hold the request for a while, so it takes the service that is ready now.
        let other = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, other);
        WasmFuture::new(&self.layer.pool, inner, self.layer.errors.clone(), request)
    }
}
