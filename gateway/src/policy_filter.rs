//! The real filter.wasm with a policy, as the gateway's filter: a service around the router, with a
//! pool of VMs behind it. How one filter is compiled and started is in `filter_module`.

use std::borrow::Cow;
use std::sync::Arc;

use gatepost_host::{CallError, ChainOptions, Host, LocalReplySent, Metrics};
use gatepost_host_tower::{
    ConnectionInfo, Pool, PoolOptions, UpstreamFailure, WasmBody, WasmLayer,
};
use http::{Request, Response};
use hyper::body::Incoming;
use tower::Layer;
use tower::layer::layer_fn;
use tower::util::{MapRequest, MapResponse};

use crate::body::UpstreamBody;
use crate::extensions::{Details, Origin};
use crate::filter::{Filter, Filtered};
use crate::filter_module::{FilterModule, PolicyError, start_with_log};
use crate::reply::LocalReply;
use crate::router::Router;

/// A policy in force: a filter for the gateway. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PolicyFilter(WasmLayer<fn(&LocalReply) -> UpstreamFailure>);

impl PolicyFilter {
    /// Starts the filter with a plugin configuration (a policy as JSON) in `workers`
    /// VMs. Pass the `metrics` of the layer before a reload to continue its counters. Call it
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// When the filter refuses the configuration, with every line that it logged; or when there is
    /// no runtime.
    pub fn start(
        module: &FilterModule,
        configuration: &str,
        workers: usize,
        metrics: Metrics,
    ) -> Result<Self, PolicyError> {
        let chain = module.chain(configuration, ChainOptions::default());
        let on_trap = |error: &CallError| log::error!("{error}");
        let options =
            PoolOptions { workers, on_trap: Some(Arc::new(on_trap)), ..PoolOptions::default() };
        let pool = start_with_log(Host { metrics, ..Host::default() }, |host| {
            Pool::start(&chain, host, options)
        })?;
        Ok(Self(WasmLayer::new(pool).map_errors(upstream_failure)))
    }
}

/// Not as a tower layer: then a request's whole way would be compiled wherever a gateway is
/// started, with that crate's optimisation.
impl Filter for PolicyFilter {
    fn before(&self, router: Router) -> Filtered {
        let layer = layer_fn(|router| {
            let service = MapRequest::new(self.0.layer(router), with_connection);
            MapResponse::new(service, with_details)
        });
        layer.before(router)
    }
}

/// Translates the gateway's [`Origin`] into the wasm layer's [`ConnectionInfo`].
fn with_connection(mut request: Request<Incoming>) -> Request<Incoming> {
    if let Some(Origin { source, scheme }) = request.extensions_mut().remove() {
        let info = ConnectionInfo {
            source: Some(source),
            scheme: Some(scheme),
            ..ConnectionInfo::default()
        };
        request.extensions_mut().insert(info);
    }
    request
}

/// Translates the details of the filter's own reply into the gateway's [`Details`].
fn with_details(
    mut response: Response<WasmBody<UpstreamBody>>,
) -> Response<WasmBody<UpstreamBody>> {
    if let Some(LocalReplySent { details, .. }) = response.extensions_mut().remove() {
        response.extensions_mut().insert(Details(Cow::Owned(details.to_string())));
    }
    response
}

/// Passes a reply that the router made through the filter's response callbacks, as Envoy does with
/// its own replies.
fn upstream_failure(reply: &LocalReply) -> UpstreamFailure {
    let LocalReply { status, body, details } = reply;
    UpstreamFailure::Reply {
        status: status.as_u16(),
        body: (*body).to_owned(),
        details: details.clone(),
    }
}
