//! One request through the gateway: the connection manager, the filter with the router behind it,
//! and the access log. Every request ends in a response of the filter or in a
//! [`LocalReply`](crate::LocalReply).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, SERVER, UPGRADE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::Either;
use hyper::body::Incoming;

use crate::access_log::{Access, AccessLog};
use crate::body::ClientBody;
use crate::client_state::{ClientState, Early};
use crate::connection_manager::{self, Refused};
use crate::extensions::{Details, SelectedRoute};
use crate::filter::FilterSlot;
use crate::options::GatewayOptions;
use crate::reply::LocalReply;
use crate::stats::Stats;
use crate::{hop_by_hop, reply};

/// The state that all connections of a gateway share.
pub(crate) struct Shared {
    pub(crate) filter: FilterSlot,
    pub(crate) options: GatewayOptions,
    pub(crate) stats: Stats,
}

/// An entry of the access log, filled while the request is served.
struct LogEntry<'a> {
    log: &'a AccessLog,
    access: Access,
    route: SelectedRoute,
    started: Instant,
}

impl Shared {
    /// Answers one request.
    pub(crate) async fn serve(
        &self,
        peer: SocketAddr,
        client: &Arc<ClientState>,
        request: Request<Incoming>,
    ) -> Response<ClientBody> {
        let active = (client.begin(), self.stats.request());
        let (mut parts, body) = request.into_parts();
        let (grpc, to_head, version) =
            (reply::is_grpc(&parts.headers), parts.method == Method::HEAD, parts.version);
        let mut entry =
            self.options.access_log.as_ref().map(|log| LogEntry::begin(log, &parts, peer));
        let admitted = match client.early() {
            Some(early) => Err(refused_early(early)),
            None => connection_manager::admit(
                &mut parts,
                peer,
                &self.options,
                entry.as_mut().map(|entry| &mut entry.access),
            ),
        };
        let has_body = !body.is_end_stream();
        let answer = match admitted {
            Ok(()) => {
                if let Some(entry) = &entry {
                    parts.extensions.insert(entry.route.clone());
                }
                let answer = self.filter.answer(Request::from_parts(parts, body)).await;
                answer.map_err(|reply| Refused { reply, closes: false })
            }
            Err(refused) => Err(refused),
        };
        let closes;
        let (mut response, details) = match answer {
            Ok(mut response) => {
                let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                let protocol = response.headers().get(UPGRADE).cloned().filter(|_| switches);
                // A filter cannot control the gateway's own connections by writing hop-by-hop
                // headers.
                hop_by_hop::remove_fixed(response.headers_mut());
                hop_by_hop::set_upgrade(response.headers_mut(), protocol);
                let details = response.extensions_mut().remove::<Details>();
                closes = has_body && client.waits_for_body();
                if details != Some(Details::VIA_UPSTREAM) {
                    response.headers_mut().entry(SERVER).or_insert(reply::SERVER_NAME);
                }
                (
                    response.map(Either::Right),
                    details.map_or_else(|| "-".to_owned(), |details| details.0.into_owned()),
                )
            }
            Err(refused) => {
                closes = refused.closes || (has_body && client.waits_for_body());
                (reply::response(&refused.reply, grpc, to_head), refused.reply.details)
            }
        };
        // As in Envoy, the end is announced when the rest of the request is not waited for.
        if closes && version != Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        *response.version_mut() = version;
        self.stats.response(response.status());
        if let Some(entry) = entry {
            entry.end(response.status().as_u16(), details);
        }
        response.map(|body| ClientBody::new(body, active))
    }
}

/// What is answered to a request that hyper did not see.
fn refused_early(early: Early) -> Refused {
    let (status, details) = match early {
        Early::BadRequest => (StatusCode::BAD_REQUEST, "http1.codec_error"),
        Early::Timeout => (StatusCode::REQUEST_TIMEOUT, "request_header_timeout"),
    };
    Refused { reply: LocalReply::refusal(status, details), closes: true }
}

impl<'a> LogEntry<'a> {
    fn begin(log: &'a AccessLog, parts: &Parts, peer: SocketAddr) -> Self {
        let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let access = Access {
            source: peer,
            method: copy(parts.method.as_str()),
            authority: Bytes::new(),
            path: copy(parts.uri.path_and_query().map_or("", PathAndQuery::as_str)),
            routed_authority: None,
            upstream: None,
            status: 0,
            details: String::new(),
            duration: std::time::Duration::ZERO,
        };
        Self { log, access, route: SelectedRoute::default(), started: Instant::now() }
    }

    fn end(self, status: u16, details: String) {
        let Self { log, mut access, route, started } = self;
        if let Some(routed) = route.get() {
            (access.routed_authority, access.upstream) = (Some(routed.authority), routed.upstream);
        }
        (access.status, access.details, access.duration) = (status, details, started.elapsed());
        log.record(&access);
    }
}
