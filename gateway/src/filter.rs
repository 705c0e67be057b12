//! The boundary between the gateway and what stands before its routes: a tower layer around the
//! [`Router`]. The gateway knows nothing of what a layer does, be it proxy-wasm or a closure in a
//! test.

use std::borrow::Cow;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::FutureExt;
use http::uri::Scheme;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tower::{BoxError, Layer, Service, ServiceExt};

use super::reply::LocalReply;
use super::router::Router;

/// What the gateway has found out about a request, in the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The trusted address of the client (see
    /// [`GatewayOptions::trusted_hops`](super::GatewayOptions)).
    pub source: SocketAddr,
    /// The scheme of a request that does not say its own, as requests of HTTP/1.1 do not.
    pub scheme: Scheme,
}

/// Why a response is what it is, in the response's extensions: Envoy's response code details, for
/// the access log. Whoever answers puts it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details(pub Cow<'static, str>);

impl Details {
    /// The upstream answered.
    pub const VIA_UPSTREAM: Self = Self(Cow::Borrowed("via_upstream"));
}

pub(super) type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;
type Answering = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, BoxError>> + Send>>;

/// A router behind a layer, whatever its type.
pub struct Filtered(Box<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>);

/// What can stand before the gateway's routes: any layer that makes a service of HTTP out of the
/// [`Router`].
///
/// Requests come as Envoy's connection manager hands them to filters: an authority in the URI or in
/// one `Host`, a normal path, no headers of the connection, an [`Origin`]. An error of the service
/// that is a [`LocalReply`], as the router's are, is answered as it says; any other is 503.
pub trait Filter {
    /// The router behind this layer.
    fn before(&self, router: Router) -> Filtered;
}

impl<L, S, B> Filter for L
where
    L: Layer<Router, Service = S>,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn before(&self, router: Router) -> Filtered {
        let service = self.layer(router);
        Filtered(Box::new(move |request| {
            let service = service.clone();
            Box::pin(async move {
                let response = service.oneshot(request).await.map_err(Into::into)?;
                Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
            })
        }))
    }
}

/// The place that holds the running filter. Another one can be put there at any time: requests that
/// began keep the one they began with, later ones get the new. Clones are the same place.
#[derive(Clone)]
pub struct FilterSlot {
    router: Router,
    filtered: Arc<ArcSwap<Filtered>>,
}

impl FilterSlot {
    pub(super) fn new(router: Router, filter: &impl Filter) -> Self {
        let filtered = Arc::new(ArcSwap::from_pointee(filter.before(router.clone())));
        Self { router, filtered }
    }

    /// Puts another filter in its place. The old one is dropped when the last request that uses it
    /// is over.
    pub fn swap(&self, filter: &impl Filter) {
        self.filtered.store(Arc::new(filter.before(self.router.clone())));
    }

    /// Asks the filter that is there now. A filter that panics has failed; the connection and the
    /// process go on.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<AnswerBody>, LocalReply> {
        let answering = AssertUnwindSafe(async {
            let answering = (self.filtered.load().0)(request);
            answering.await
        });
        match answering.catch_unwind().await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(error
                .downcast::<LocalReply>()
                .map_or_else(|error| failed(&error.to_string()), |reply| *reply)),
            Err(_panic) => Err(failed("panic")),
        }
    }
}

fn failed(why: &str) -> LocalReply {
    LocalReply::new(
        http::StatusCode::SERVICE_UNAVAILABLE,
        "",
        format!("filter_failed{{{}}}", why.replace(' ', "_")),
    )
}

impl std::fmt::Debug for FilterSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilterSlot").finish_non_exhaustive()
    }
}
