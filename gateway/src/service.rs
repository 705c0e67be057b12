//! One request through the gateway: the connection manager, the filter with the router behind it,
//! and the access log. Each step ends in a response or a [`LocalReply`](super::LocalReply); there
//! is no third way out.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, SERVER};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Version};
use http_body_util::Either;
use hyper::body::Incoming;

use super::body::ResponseBody;
use super::filter::{Details, FilterSlot};
use super::manager::{self, Refused};
use super::options::{Access, AccessLog, GatewayOptions};
use super::router::RouteNote;
use super::{hop, reply};

/// What all connections of a gateway share.
pub(super) struct Shared {
    pub(super) filter: FilterSlot,
    pub(super) options: GatewayOptions,
}

/// What the access log will say, as far as it is known.
struct Line<'a> {
    log: &'a AccessLog,
    access: Access,
    route: RouteNote,
    started: Instant,
}

impl Shared {
    /// Answers one request.
    pub(super) async fn serve(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        let (mut parts, body) = request.into_parts();
        let (grpc, to_head, version) =
            (reply::is_grpc(&parts.headers), parts.method == Method::HEAD, parts.version);
        let mut line = self.options.access_log.as_ref().map(|log| Line::begin(log, &parts, peer));
        let admitted = manager::admit(
            &mut parts,
            peer,
            &self.options,
            line.as_mut().map(|line| &mut line.access),
        );
        let answer = match admitted {
            Ok(()) => {
                if let Some(line) = &line {
                    parts.extensions.insert(line.route.clone());
                }
                let answer = self.filter.answer(Request::from_parts(parts, body)).await;
                answer.map_err(|reply| Refused { reply, closes: false })
            }
            Err(refused) => Err(refused),
        };
        let (mut response, details) = match answer {
            Ok(mut response) => {
                // What a filter writes about connections is not about the gateway's.
                hop::remove_fixed(response.headers_mut());
                let details = response.extensions_mut().remove::<Details>();
                if details != Some(Details::VIA_UPSTREAM) {
                    response.headers_mut().entry(SERVER).or_insert(reply::OURSELVES);
                }
                (
                    response.map(Either::Right),
                    details.map_or_else(|| "-".to_owned(), |details| details.0.into_owned()),
                )
            }
            Err(Refused { reply, closes }) => {
                let mut response = reply::response(&reply, grpc, to_head);
                if closes && version != Version::HTTP_2 {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                (response, reply.details)
            }
        };
        *response.version_mut() = version;
        if let Some(line) = line {
            line.end(response.status().as_u16(), details);
        }
        response
    }
}

impl<'a> Line<'a> {
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
        Self { log, access, route: RouteNote::default(), started: Instant::now() }
    }

    fn end(self, status: u16, details: String) {
        let Self { log, mut access, route, started } = self;
        if let Some(routed) = route.read() {
            (access.routed_authority, access.upstream) = (Some(routed.authority), routed.upstream);
        }
        (access.status, access.details, access.duration) = (status, details, started.elapsed());
        log.record(&access);
    }
}
