//! The innermost service: selects the upstream by the authority that the filter has left, and asks
//! it. What Envoy's router does.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tower::{BoxError, Service};

use super::body::{RequestBody, UpstreamBody};
use super::filter::Details;
use super::hop;
use super::reply::LocalReply;
use super::routes::RouteTable;
use super::upstream::{Upstream, UpstreamHead};

/// Answers requests from their upstreams. It is what a [`Filter`](super::Filter) stands before.
/// Cheap to clone.
#[derive(Clone)]
pub struct Router {
    routes: Arc<RouteTable<Arc<Upstream>>>,
}

/// Where a request went: put into its extensions by whoever wants to know, and filled when it comes
/// to the router.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteNote(Arc<OnceLock<Routed>>);

#[derive(Clone, Debug)]
pub(super) struct Routed {
    /// The authority by which the route was selected.
    pub(super) authority: Bytes,
    /// The address of the upstream; none when there is no route.
    pub(super) upstream: Option<String>,
}

impl RouteNote {
    pub(super) fn read(&self) -> Option<Routed> {
        self.0.get().cloned()
    }
}

impl Router {
    pub(super) fn new(routes: RouteTable<Arc<Upstream>>) -> Self {
        Self { routes: Arc::new(routes) }
    }

    async fn answer(
        &self,
        mut parts: Parts,
        body: RequestBody,
    ) -> Result<Response<UpstreamBody>, LocalReply> {
        let version = parts.version;
        // As in Envoy, whose routes match a path that begins with a slash, and no CONNECT.
        let no_route = || LocalReply::new(StatusCode::NOT_FOUND, "", "route_not_found");
        let authority = authority(&parts).ok_or_else(no_route)?;
        let upstream = self.routes.find(authority.as_bytes());
        if let Some(RouteNote(note)) = parts.extensions.get() {
            let authority = Bytes::copy_from_slice(authority.as_bytes());
            // A layer that asks twice has its first attempt in the log.
            let _ = note
                .set(Routed { authority, upstream: upstream.map(|upstream| upstream.address()) });
        }
        let upstream = upstream.filter(|_| parts.method != Method::CONNECT).ok_or_else(no_route)?;
        let path = parts
            .uri
            .path_and_query()
            .filter(|path| path.as_str().starts_with('/'))
            .cloned()
            .ok_or_else(no_route)?;
        // What a filter writes about connections is not about the gateway's.
        hop::remove_fixed(&mut parts.headers);
        let scheme = parts.uri.scheme().cloned().unwrap_or(Scheme::HTTP);
        let head =
            UpstreamHead { method: parts.method, scheme, path, authority, headers: parts.headers };
        let mut response =
            upstream.send(head, version, body).await.map_err(|error| error.reply())?;
        hop::clean_response(response.headers_mut());
        response.extensions_mut().insert(Details::VIA_UPSTREAM);
        Ok(response)
    }
}

/// What the URI says, else `Host`.
fn authority(parts: &Parts) -> Option<HeaderValue> {
    match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => parts.headers.get(HOST).cloned(),
    }
}

impl<B> Service<Request<B>> for Router
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<UpstreamBody>;
    type Error = LocalReply;
    type Future = Pin<Box<dyn Future<Output = Result<Response<UpstreamBody>, LocalReply>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LocalReply>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let router = self.clone();
        let (parts, body) = request.into_parts();
        let body = RequestBody::new(body);
        Box::pin(async move { router.answer(parts, body).await })
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("hosts", &self.routes.len()).finish_non_exhaustive()
    }
}
