//! One request through the gateway: the checks of Envoy's codecs and connection manager, the filter, the route, the upstream.
//! Each step ends in a response or a [`LocalReply`]; there is no third way out.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::Either;
use hyper::body::Incoming;

use super::body::{ClientBody, ResponseBody};
use super::filter::{FilterSlot, LocalReply, Verdict};
use super::head::{HeadError, RequestHead, RewriteError, is_grpc};
use super::options::{Access, GatewayOptions};
use super::routes::RouteTable;
use super::upstream::Upstream;
use super::{admission, forwarded, hop, path, reply};

/// What all connections of a gateway share.
pub(super) struct Shared {
    pub(super) routes: RouteTable<Arc<Upstream>>,
    pub(super) filter: Arc<FilterSlot>,
    pub(super) options: GatewayOptions,
}

/// An answer of the gateway's own. A refused request never reached the filter, and its connection is not used again.
struct Own {
    reply: LocalReply,
    refused: bool,
}

impl Shared {
    /// Answers one request.
    pub(super) async fn serve(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<ResponseBody> {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let (grpc, to_head, version) = (is_grpc(&parts.headers), parts.method == Method::HEAD, parts.version);
        let mut access = self.options.access_log.as_ref().map(|_| access(&parts, peer));
        let answer = self.answer(parts, body, peer, access.as_mut()).await;
        let (mut response, details) = match answer {
            Ok(response) => (response, None),
            Err(Own { mut reply, refused }) => {
                let details = std::mem::take(&mut reply.details);
                let mut response = reply::response(reply, grpc, to_head);
                if refused && version != Version::HTTP_2 {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                (response, Some(details))
            }
        };
        *response.version_mut() = version;
        if let (Some(log), Some(mut access)) = (&self.options.access_log, access) {
            access.status = response.status().as_u16();
            access.details = details.unwrap_or_else(|| "via_upstream".to_owned());
            access.duration = started.elapsed();
            log.record(&access);
        }
        response
    }

    async fn answer(
        &self,
        mut parts: Parts,
        body: Incoming,
        peer: SocketAddr,
        mut access: Option<&mut Access>,
    ) -> Result<Response<ResponseBody>, Own> {
        let version = parts.version;
        let (mut head, source) = self.admit(&mut parts, peer, access.as_deref_mut())?;
        match self.filter.decide(&mut head, body.is_end_stream(), source) {
            Verdict::Forward => {}
            Verdict::Reply(reply) => return Err(own(reply)),
            Verdict::Failed => return Err(own(LocalReply::new(503, "", "filter_failed"))),
        }
        let head = head.into_upstream().map_err(|error| own(unsendable(&error)))?;
        let upstream = self.routes.find(head.authority.as_bytes());
        if let Some(access) = access {
            access.routed_authority = Some(Bytes::copy_from_slice(head.authority.as_bytes()));
            access.upstream = upstream.map(|upstream| upstream.address());
        }
        let upstream = upstream.ok_or_else(|| own(LocalReply::new(404, "", "route_not_found")))?;
        let (body, end) = ClientBody::new(body);
        let mut response = upstream.send(head, version, body, end).await.map_err(|error| own(error.reply()))?;
        hop::clean_response(response.headers_mut());
        Ok(response.map(Either::Right))
    }

    /// What happens to a request before any filter: refused as Envoy refuses it, or made into the head that a filter sees.
    fn admit(&self, parts: &mut Parts, peer: SocketAddr, access: Option<&mut Access>) -> Result<(RequestHead, SocketAddr), Own> {
        admission::check(parts).map_err(|refusal| refused(refusal.status(), &refusal.to_string()))?;
        let upgrade = parts.version == Version::HTTP_11 && hop::asks_for_upgrade(&parts.headers);
        if hop::clean_request(&mut parts.headers).is_err() {
            return Err(refused(StatusCode::BAD_REQUEST, "connection_header_names_a_protected_header"));
        }
        let hops = self.options.trusted_hops;
        let source = forwarded::source(&parts.headers, peer, hops);
        forwarded::annotate(&mut parts.headers, peer, source, hops, self.options.keep_request_id);
        let mut head = RequestHead::from_parts(parts).map_err(|error| match error {
            HeadError::InvalidAuthority => refused(StatusCode::BAD_REQUEST, &error.to_string()),
            HeadError::MissingHost => Own { reply: LocalReply::new(400, "", error.to_string()), refused: true },
        })?;
        if let Some(access) = access {
            access.source = source;
            access.authority = head.shared(b":authority");
        }
        if upgrade {
            return Err(Own { reply: LocalReply::new(403, "", "upgrade_failed"), refused: true });
        }
        if parts.method == Method::CONNECT {
            return Err(Own { reply: LocalReply::new(404, "", "connect_is_not_supported"), refused: true });
        }
        match head.path() {
            [b'/', ..] => {}
            b"*" => return Err(own(LocalReply::new(404, "", "path_is_not_absolute"))),
            _ => return Err(refused(StatusCode::BAD_REQUEST, "path_is_not_absolute")),
        }
        let path = path::normalized(head.path()).map_err(|error| refused(StatusCode::BAD_REQUEST, &error.to_string()))?;
        if let Cow::Owned(path) = path {
            head.set(":path", path);
        }
        Ok((head, source))
    }
}

fn own(reply: LocalReply) -> Own {
    Own { reply, refused: false }
}

fn refused(status: StatusCode, details: &str) -> Own {
    Own { reply: reply::refusal(status, details), refused: true }
}

/// Envoy answers 503 when a filter took away a header that every request needs; a value that cannot be sent is a fault of ours.
fn unsendable(error: &RewriteError) -> LocalReply {
    let status = if matches!(error, RewriteError::Removed(_)) { 503 } else { 500 };
    LocalReply::new(status, "", error.to_string())
}

fn access(parts: &Parts, peer: SocketAddr) -> Access {
    let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Access {
        source: peer,
        method: copy(parts.method.as_str()),
        authority: Bytes::new(),
        path: copy(parts.uri.path_and_query().map_or("", PathAndQuery::as_str)),
        routed_authority: None,
        upstream: None,
        status: 0,
        details: String::new(),
        duration: std::time::Duration::ZERO,
    }
}
