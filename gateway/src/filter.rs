//! The interface between the gateway and its filter, which is a service around the [`Router`], and
//! the slot where a running gateway keeps it. What a filter does, proxy-wasm or a closure in a
//! test, is not known here.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower::{BoxError, Layer, Service, ServiceExt};

use crate::body::AnswerBody;
use crate::reply::LocalReply;
use crate::router::Router;

type Answering = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, BoxError>> + Send>>;

/// A router with a filter in front, its type erased.
pub struct Filtered(Box<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>);

/// A filter for the gateway: a [`PolicyFilter`](crate::PolicyFilter), or any tower layer that turns
/// the [`Router`] into an HTTP service.
///
/// Requests come as Envoy's connection manager hands them to filters: an authority in the URI or in
/// one `Host`, a normalized path, no hop-by-hop headers, an [`Origin`](crate::Origin) in the
/// extensions. When the service fails with a [`LocalReply`], which is the router's error type, the
/// client gets that reply; after any other error it gets 503.
pub trait Filter {
    /// Puts this filter in front of the router.
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

/// Holds the running filter of a gateway, and replaces it while requests are served: requests that
/// began keep the filter that they began with, later ones get the new one. Clones share the filter.
#[derive(Clone)]
pub struct FilterSlot {
    router: Router,
    filtered: Arc<ArcSwap<Filtered>>,
}

impl FilterSlot {
    pub(crate) fn new(router: Router, filter: &impl Filter) -> Self {
        let filtered = Arc::new(ArcSwap::from_pointee(filter.before(router.clone())));
        Self { router, filtered }
    }

    /// Replaces the filter. The old one is dropped when the last request that uses it is over.
    pub fn swap(&self, filter: &impl Filter) {
        self.filtered.store(Arc::new(filter.before(self.router.clone())));
    }

    /// Sends a request through the current filter. When the filter panics, the client gets 503; the
    /// connection and the process go on.
    pub(crate) async fn answer(
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
