//! Callouts over tower services, one for each cluster.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Buf;
use gatepost_host::{CalloutKind, Clusters};
use http::header::{HOST, HeaderValue};
use http::{Uri, Version};
use http_body::Body;
use http_body_util::BodyExt;
use tower_service::Service;

use crate::body::BoxError;
use crate::callout::{CalloutBody, CalloutError, CalloutFuture, Callouts};

type SendTo = Arc<dyn Fn(http::Request<CalloutBody>) -> CalloutFuture + Send + Sync>;

/// Sends each callout with the service of its cluster: a client, or a service in the same process.
/// A cluster without a service is unreachable, and so is one whose service returns an error.
///
/// ```
/// use gatepost_host_tower::{CalloutBody, ClusterServices};
/// use http_body_util::Empty;
///
/// let answer = |_: http::Request<CalloutBody>| async {
///     Ok::<_, std::io::Error>(http::Response::new(Empty::<bytes::Bytes>::new()))
/// };
/// let clusters = ClusterServices::new().with("auth", tower::service_fn(answer));
/// let host = gatepost_host::Host { clusters: clusters.names(), ..Default::default() };
/// # let _ = host;
/// ```
#[derive(Clone, Default)]
pub struct ClusterServices {
    services: HashMap<String, SendTo>,
}

impl ClusterServices {
    /// No cluster yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a cluster. Its service gets the URI that the guest gave.
    #[must_use]
    pub fn with<S, B>(self, cluster: impl Into<String>, service: S) -> Self
    where
        S: Service<http::Request<CalloutBody>, Response = http::Response<B>>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        self.add(cluster.into(), None, service)
    }

    /// Adds a cluster at an address, as in `http://127.0.0.1:8080`, for a service that
    /// connects to what the URI says. The guest's authority is in the header `host`.
    #[must_use]
    pub fn with_origin<S, B>(self, cluster: impl Into<String>, origin: Uri, service: S) -> Self
    where
        S: Service<http::Request<CalloutBody>, Response = http::Response<B>>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        self.add(cluster.into(), Some(origin), service)
    }

    /// The clusters that guests may call, for [`Host::clusters`](gatepost_host::Host).
    #[must_use]
    pub fn names(&self) -> Clusters {
        let mut names: Vec<String> = self.services.keys().cloned().collect();
        names.sort_unstable();
        Clusters::Only(names.into())
    }

    fn add<S, B>(mut self, cluster: String, origin: Option<Uri>, service: S) -> Self
    where
        S: Service<http::Request<CalloutBody>, Response = http::Response<B>>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        // Services need not be Sync, so a lock is held while one is cloned.
        let service = Mutex::new(service);
        let send = move |mut request: http::Request<CalloutBody>| -> CalloutFuture {
            let mut service = service.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(origin) = &origin {
                redirect(&mut request, origin);
            }
            Box::pin(async move {
                std::future::poll_fn(|cx| service.poll_ready(cx))
                    .await
                    .map_err(|_| CalloutError::Unreachable)?;
                let response =
                    service.call(request).await.map_err(|_| CalloutError::Unreachable)?;
                let whole = |mut data: B::Data| data.copy_to_bytes(data.remaining());
                Ok(response.map(|body| {
                    body.map_frame(move |frame| frame.map_data(whole))
                        .map_err(Into::into)
                        .boxed_unsync()
                }))
            })
        };
        self.services.insert(cluster, Arc::new(send));
        self
    }
}

impl Callouts for ClusterServices {
    fn send(
        &self,
        cluster: &str,
        _kind: CalloutKind,
        request: http::Request<CalloutBody>,
    ) -> CalloutFuture {
        match self.services.get(cluster) {
            Some(send) => send(request),
            None => Box::pin(std::future::ready(Err(CalloutError::Unreachable))),
        }
    }
}

impl fmt::Debug for ClusterServices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.services.keys()).finish()
    }
}

/// Points a request at an address and keeps the authority that it had.
fn redirect(request: &mut http::Request<CalloutBody>, origin: &Uri) {
    let authority = request
        .uri()
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let mut parts = origin.clone().into_parts();
    parts.path_and_query = request.uri().path_and_query().cloned();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    // In HTTP/2 the authority is the URI's.
    if let Some(authority) = authority.filter(|_| request.version() < Version::HTTP_2) {
        request.headers_mut().insert(HOST, authority);
    }
}
