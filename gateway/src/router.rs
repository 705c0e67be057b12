//! The innermost service, as Envoy's router filter is: it selects the upstream by the authority
//! that the filter left, and forwards the request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue, UPGRADE};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use tower::{BoxError, Service};

use crate::body::{RequestBody, UpstreamBody};
use crate::extensions::{Details, Routed, SelectedRoute};
use crate::hop_by_hop;
use crate::reply::LocalReply;
use crate::routes::RouteTable;
use crate::upstream::{Upstream, UpstreamHead};

type Answering = Pin<Box<dyn Future<Output = Result<Response<UpstreamBody>, LocalReply>> + Send>>;

/// Forwards requests to their upstreams. A [`Filter`](crate::Filter) is a layer around it. Cheap to
/// clone.
#[derive(Clone)]
pub struct Router {
    routes: Arc<RouteTable<Arc<Upstream>>>,
}

impl Router {
    pub(crate) fn new(routes: RouteTable<Arc<Upstream>>) -> Self {
        Self { routes: Arc::new(routes) }
    }

    /// Boxed here, so that it is compiled once, with this crate.
    fn boxed(self, parts: Parts, body: RequestBody) -> Answering {
        Box::pin(async move { self.answer(parts, body).await })
    }

    async fn answer(
        &self,
        mut parts: Parts,
        body: RequestBody,
    ) -> Result<Response<UpstreamBody>, LocalReply> {
        let version = parts.version;
        // As in Envoy, no route matches CONNECT, or a path that does not begin with a slash.
        let no_route = || LocalReply::new(StatusCode::NOT_FOUND, "", "route_not_found");
        let authority = authority(&parts).ok_or_else(no_route)?;
        let upstream = self.routes.find(authority.as_bytes());
        if let Some(selected) = parts.extensions.get::<SelectedRoute>() {
            selected.set(Routed {
                authority: Bytes::copy_from_slice(authority.as_bytes()),
                upstream: upstream.map(|upstream| upstream.address()),
            });
        }
        let upstream = upstream.filter(|_| parts.method != Method::CONNECT).ok_or_else(no_route)?;
        let path = parts
            .uri
            .path_and_query()
            .filter(|path| path.as_str().starts_with('/'))
            .cloned()
            .ok_or_else(no_route)?;
        // Only what the client asked for: a filter cannot ask for another protocol.
        let client = parts.extensions.remove::<OnUpgrade>();
        let asked = parts.headers.get(UPGRADE).cloned().filter(|_| client.is_some());
        let switch = asked.filter(|_| parts.headers.contains_key(CONNECTION)).zip(client);
        // A filter cannot control the gateway's own connections by writing hop-by-hop headers.
        hop_by_hop::remove_fixed(&mut parts.headers);
        let scheme = parts.uri.scheme().cloned().unwrap_or(Scheme::HTTP);
        let head =
            UpstreamHead { method: parts.method, scheme, path, authority, headers: parts.headers };
        let mut response =
            upstream.send(head, version, body, switch).await.map_err(|error| error.reply())?;
        let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = response.headers().get(UPGRADE).cloned().filter(|_| switches);
        hop_by_hop::clean_response(response.headers_mut());
        hop_by_hop::set_upgrade(response.headers_mut(), protocol);
        response.extensions_mut().insert(Details::VIA_UPSTREAM);
        Ok(response)
    }
}

/// The URI's authority, else `Host`.
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
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LocalReply>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        self.clone().boxed(parts, RequestBody::new(body))
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("hosts", &self.routes.len()).finish_non_exhaustive()
    }
}
