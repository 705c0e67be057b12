//! The checks of Envoy's codecs on a request's head: its size, its version, its method and its
//! framing. The statuses were measured on Envoy 1.40 with a listener of default settings.
//!
//! What hyper would not show of an HTTP/1.1 head is checked before, in `request_head`.

use http::header::{HeaderMap, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{StatusCode, Version};

use crate::limits::MAX_FIELDS;

/// Envoy's `max_request_headers_kb`, in bytes.
const MAX_BYTES: usize = 60 * 1024;

/// The methods that Envoy's HTTP/1.1 codec knows; any other is 400. HTTP/2 accepts every token as a
/// method, and paths that are not ASCII.
const HTTP1_METHODS: [&str; 33] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// Why a head is refused. [`status`](Self::status) is what Envoy answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("the request's head is larger than 60 KiB")]
    TooLarge,
    #[error("the request has more than 100 headers")]
    TooMany,
    #[error("the request is older than HTTP/1.1")]
    LowVersion,
    #[error("the request's method is unknown")]
    UnknownMethod,
    #[error("the request's path is not ASCII")]
    NonAsciiPath,
    #[error("the request is encoded for transfer as something else than chunked")]
    TransferEncoding,
    #[error("the request asks for https on a connection without TLS")]
    HttpsInPlaintext,
    #[error("the request's target has a scheme that is not http")]
    UnknownScheme,
}

impl CodecError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge | Self::TooMany => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::LowVersion => StatusCode::UPGRADE_REQUIRED,
            Self::UnknownMethod | Self::NonAsciiPath | Self::UnknownScheme => {
                StatusCode::BAD_REQUEST
            }
            Self::TransferEncoding => StatusCode::NOT_IMPLEMENTED,
            Self::HttpsInPlaintext => StatusCode::FORBIDDEN,
        }
    }
}

/// Checks a head as it came.
pub(crate) fn check(parts: &Parts) -> Result<(), CodecError> {
    let path = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    if parts.version == Version::HTTP_2 {
        check_size(&parts.headers, path, 4, 0, 0)?;
    } else {
        // An HTTP/1.1 head counts as bytes on the wire: `METHOD target HTTP/1.1`, and each header
        // with colon, space and line end.
        let target =
            parts.uri.authority().map_or(0, |authority| "http://".len() + authority.as_str().len());
        check_size(
            &parts.headers,
            path,
            0,
            4,
            parts.method.as_str().len() + target + " HTTP/1.1 \r\n\r\n".len(),
        )?;
        check_http1(parts, path)?;
    }
    Ok(())
}

fn check_size(
    headers: &HeaderMap,
    path: &str,
    pseudo: usize,
    per_field: usize,
    line: usize,
) -> Result<(), CodecError> {
    if headers.len() + pseudo > MAX_FIELDS {
        return Err(CodecError::TooMany);
    }
    let fields: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + per_field).sum();
    if fields + path.len() + line > MAX_BYTES { Err(CodecError::TooLarge) } else { Ok(()) }
}

fn check_http1(parts: &Parts, path: &str) -> Result<(), CodecError> {
    if parts.version < Version::HTTP_11 {
        return Err(CodecError::LowVersion);
    }
    if !HTTP1_METHODS.contains(&parts.method.as_str()) {
        return Err(CodecError::UnknownMethod);
    }
    if !path.is_ascii() {
        return Err(CodecError::NonAsciiPath);
    }
    let mut encodings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked =
        encodings.next().is_none_or(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if !is_chunked || encodings.next().is_some() {
        return Err(CodecError::TransferEncoding);
    }
    match parts.uri.scheme() {
        None => Ok(()),
        Some(scheme) if *scheme == Scheme::HTTP => Ok(()),
        Some(scheme) if *scheme == Scheme::HTTPS => Err(CodecError::HttpsInPlaintext),
        Some(_) => Err(CodecError::UnknownScheme),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Builder;

    use super::*;

    fn checked(request: Builder) -> Result<(), CodecError> {
        check(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn an_http1_head_may_have_60_kib_on_the_wire() {
        // "GET / HTTP/1.1\r\n", "x: v…\r\n" and "\r\n".
        let with_value = |length: usize| Request::get("/").header("x", "v".repeat(length));
        assert_eq!(checked(with_value(MAX_BYTES - 16 - 5 - 2)), Ok(()));
        assert_eq!(checked(with_value(MAX_BYTES - 16 - 5 - 1)), Err(CodecError::TooLarge));
    }

    #[test]
    fn a_head_may_have_100_headers_and_http2_counts_its_pseudo_headers() {
        let with_lines = |lines: usize| {
            (0..lines).fold(Request::get("/"), |request, line| request.header("x", line))
        };
        assert_eq!(checked(with_lines(100)), Ok(()));
        assert_eq!(checked(with_lines(101)), Err(CodecError::TooMany));
        assert_eq!(checked(with_lines(96).version(Version::HTTP_2)), Ok(()));
        assert_eq!(checked(with_lines(97).version(Version::HTTP_2)), Err(CodecError::TooMany));
    }

    #[test]
    fn what_http1_may_not_say_is_refused() {
        assert_eq!(
            checked(Request::get("/").version(Version::HTTP_10)),
            Err(CodecError::LowVersion)
        );
        assert_eq!(
            checked(Request::builder().method("BREW").uri("/")),
            Err(CodecError::UnknownMethod)
        );
        assert_eq!(
            checked(Request::builder().method("BREW").uri("/").version(Version::HTTP_2)),
            Ok(())
        );
        assert_eq!(
            checked(Request::get("/").header("transfer-encoding", "gzip, chunked")),
            Err(CodecError::TransferEncoding)
        );
        assert_eq!(checked(Request::get("/").header("transfer-encoding", "Chunked")), Ok(()));
        let twice = Request::get("/")
            .header("transfer-encoding", "chunked")
            .header("transfer-encoding", "chunked");
        assert_eq!(checked(twice), Err(CodecError::TransferEncoding));
        assert_eq!(checked(Request::get("https://a/")), Err(CodecError::HttpsInPlaintext));
        assert_eq!(checked(Request::get("ftp://a/")), Err(CodecError::UnknownScheme));
        assert_eq!(checked(Request::get("/caf\u{e9}")), Err(CodecError::NonAsciiPath));
        assert_eq!(checked(Request::get("/caf\u{e9}").version(Version::HTTP_2)), Ok(()));
    }
}
