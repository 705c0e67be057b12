//! Answers that no upstream gave, in the form the client understands: plain HTTP, or for a gRPC request a trailers-only
//! response, as Envoy's local replies are.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SERVER};
use http::{Response, StatusCode};
use http_body_util::{Either, Full};

use super::body::ResponseBody;
use super::filter::LocalReply;
use super::hop::is_hop_by_hop;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What Envoy says to a client that sent something it cannot read: the status' own words as the body.
pub(super) fn refusal(status: StatusCode, details: &str) -> LocalReply {
    LocalReply::new(status.as_u16(), status.canonical_reason().unwrap_or_default(), details)
}

/// The response that carries a local reply. A reply that cannot be sent becomes a plain 500. An answer to HEAD says how long its
/// body would be and has none.
pub(super) fn response(reply: LocalReply, grpc: bool, to_head: bool) -> Response<ResponseBody> {
    let sendable = sendable(&reply);
    let (status, headers, body, grpc_status) = match sendable {
        Some((status, headers)) => (status, headers, reply.body, reply.grpc_status),
        None => (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), Bytes::new(), None),
    };
    let mut response = Response::new(Either::Left(Full::default()));
    *response.headers_mut() = headers;
    response.headers_mut().insert(SERVER, HeaderValue::from_static("gatepost"));
    if grpc {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(GRPC_STATUS, HeaderValue::from(grpc_status.unwrap_or_else(|| grpc_status_of(status))));
        if !body.is_empty()
            && let Ok(message) = HeaderValue::from_str(&percent_encoded(&body))
        {
            headers.insert(GRPC_MESSAGE, message);
        }
        return response;
    }
    *response.status_mut() = status;
    if body.is_empty() {
        response.headers_mut().remove(CONTENT_TYPE);
    } else {
        response.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain"));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    if !to_head {
        *response.body_mut() = Either::Left(Full::new(body));
    }
    response
}

/// Envoy's mapping for intermediaries that know HTTP only.
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

/// The reply's status and headers, when every one of them can be sent.
fn sendable(reply: &LocalReply) -> Option<(StatusCode, HeaderMap)> {
    let status = StatusCode::from_u16(reply.status).ok().filter(|status| (200..600).contains(&status.as_u16()))?;
    let mut headers = HeaderMap::with_capacity(reply.headers.len() + 4);
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_maybe_shared(value.clone()).ok()?;
        if name != CONTENT_LENGTH && !is_hop_by_hop(name.as_str().as_bytes()) {
            headers.try_append(name, value).ok()?;
        }
    }
    Some((status, headers))
}

/// The gRPC protocol's percent-encoding: everything but visible ASCII and space, and the percent sign.
fn percent_encoded(message: &[u8]) -> String {
    let mut encoded = String::with_capacity(message.len());
    for &byte in message {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use http_body::Body;

    use super::*;

    fn length(response: &Response<ResponseBody>) -> Option<u64> {
        response.body().size_hint().exact()
    }

    #[test]
    fn a_plain_reply_has_its_status_headers_and_body() {
        let mut reply = LocalReply::new(403, "no", "why");
        reply.headers =
            vec![("x-a".into(), "1".into()), ("content-length".into(), "9".into()), ("connection".into(), "x".into())];
        let response = response(reply, false, false);
        assert_eq!((response.status().as_u16(), length(&response)), (403, Some(2)));
        assert_eq!(response.headers()["content-type"], "text/plain");
        assert_eq!(response.headers()["x-a"], "1");
        assert_eq!(response.headers()["content-length"], "2");
        assert_eq!(response.headers().len(), 4);
    }

    #[test]
    fn a_grpc_reply_is_trailers_only_with_the_mapped_status() {
        for (status, grpc) in
            [(400, "13"), (401, "16"), (403, "7"), (404, "12"), (429, "14"), (503, "14"), (500, "2"), (200, "2")]
        {
            let response = response(LocalReply::new(status, "50 % \u{e9}\n", ""), true, false);
            assert_eq!((response.status().as_u16(), length(&response)), (200, Some(0)));
            assert_eq!(response.headers()["grpc-status"], grpc, "{status}");
            assert_eq!(response.headers()["grpc-message"], "50 %25 %C3%A9%0A");
            assert_eq!(response.headers()["content-type"], "application/grpc");
        }
    }

    #[test]
    fn a_grpc_status_of_the_filters_own_is_used() {
        let reply = LocalReply { grpc_status: Some(5), ..LocalReply::new(404, "", "") };
        let response = response(reply, true, false);
        assert_eq!(response.headers()["grpc-status"], "5");
        assert!(!response.headers().contains_key("grpc-message"));
    }

    #[test]
    fn a_reply_that_cannot_be_sent_is_a_500() {
        let bad_value = LocalReply { headers: vec![("x".into(), "a\nb".into())], ..LocalReply::new(200, "", "") };
        let bad_name = LocalReply { headers: vec![("x y".into(), "a".into())], ..LocalReply::new(200, "", "") };
        for reply in [bad_value, bad_name, LocalReply::new(0, "", ""), LocalReply::new(101, "", ""), LocalReply::new(700, "", "")]
        {
            assert_eq!(response(reply, false, false).status(), 500);
        }
    }
}
