//! The gateway's local replies, as Envoy sends them: an HTTP response, or for a gRPC request a
//! trailers-only gRPC response. A filter's own replies are built by the filter.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SERVER};
use http::{Response, StatusCode};
use http_body_util::{Either, Full};

use crate::body::ResponseBody;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The `server` header of responses that no upstream sent.
pub(crate) const SERVER_NAME: HeaderValue = HeaderValue::from_static("gatepost");

/// A response that the gateway makes itself. For a gRPC request it becomes a trailers-only gRPC
/// response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{details}")]
pub struct LocalReply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body, or for gRPC the `grpc-message`: visible ASCII and spaces without a percent sign.
    pub body: &'static str,
    /// The reason, for the access log. The client does not see it.
    pub details: String,
}

impl LocalReply {
    pub(crate) fn new(status: StatusCode, body: &'static str, details: impl Into<String>) -> Self {
        Self { status, body, details: details.into() }
    }

    /// The reply to a malformed request: as in Envoy, the status' reason phrase is the body.
    pub(crate) fn refusal(status: StatusCode, details: impl Into<String>) -> Self {
        Self::new(status, status.canonical_reason().unwrap_or_default(), details)
    }
}

/// Whether these are the headers of a gRPC request, by Envoy's rule: the content type is
/// `application/grpc`, alone or with a `+` suffix.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

/// The response for a local reply. The response to HEAD has the body's length and no body.
pub(crate) fn response(reply: &LocalReply, grpc: bool, to_head: bool) -> Response<ResponseBody> {
    let LocalReply { status, body, .. } = *reply;
    let mut response = Response::new(Either::Left(Full::default()));
    let headers = response.headers_mut();
    headers.insert(SERVER, SERVER_NAME);
    if grpc {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(GRPC_STATUS, HeaderValue::from(grpc_status_of(status)));
        if !body.is_empty() {
            headers.insert(GRPC_MESSAGE, HeaderValue::from_static(body));
        }
        return response;
    }
    if !body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    *response.status_mut() = status;
    if !to_head {
        *response.body_mut() = Either::Left(Full::new(Bytes::from_static(body.as_bytes())));
    }
    response
}

/// The gRPC status for an HTTP status, by the mapping that Envoy uses for local replies.
fn grpc_status_of(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body;

    use super::*;

    fn length(response: &Response<ResponseBody>) -> Option<u64> {
        response.body().size_hint().exact()
    }

    #[test]
    fn a_plain_reply_has_its_status_and_body() {
        let reply = LocalReply::refusal(StatusCode::FORBIDDEN, "why");
        for (to_head, body) in [(false, 9), (true, 0)] {
            let response = response(&reply, false, to_head);
            assert_eq!((response.status().as_u16(), length(&response)), (403, Some(body)));
            assert_eq!(response.headers()["content-type"], "text/plain");
            assert_eq!(response.headers()["content-length"], "9");
            assert_eq!(response.headers()["server"], "gatepost");
            assert_eq!(response.headers().len(), 3);
        }
        let empty = response(&LocalReply::new(StatusCode::NOT_FOUND, "", "why"), false, false);
        assert_eq!((empty.status().as_u16(), empty.headers().len()), (404, 1));
    }

    #[test]
    fn a_grpc_reply_is_trailers_only_with_the_mapped_status() {
        for (status, grpc) in [
            (400, "13"),
            (401, "16"),
            (403, "7"),
            (404, "12"),
            (429, "14"),
            (503, "14"),
            (500, "2"),
            (200, "2"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let response = response(&LocalReply::new(status, "no, sir", ""), true, false);
            assert_eq!((response.status().as_u16(), length(&response)), (200, Some(0)));
            assert_eq!(response.headers()["grpc-status"], grpc, "{status}");
            assert_eq!(response.headers()["grpc-message"], "no, sir");
            assert_eq!(response.headers()["content-type"], "application/grpc");
        }
        assert!(
            !response(&LocalReply::new(StatusCode::NOT_FOUND, "", ""), true, false)
                .headers()
                .contains_key("grpc-message")
        );
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        let headers = |value: &'static str| {
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))])
        };
        for (value, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", false),
        ] {
            assert_eq!(is_grpc(&headers(value)), grpc, "{value}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
