//! The checks of Envoy's codecs on the head of an upstream's response: its size and its framing. A
//! head whose end or whose body's end two parties could see at different places is refused, so that
//! no upstream can make a client, or the next request on a connection, read a part of a body as
//! another response. What is refused here was measured on Envoy 1.40 with default settings.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::response::Parts;
use http::{StatusCode, Version};

use crate::limits::{MAX_FIELDS, MAX_RESPONSE_HEAD};

/// Why the head of a response is refused; the client gets 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResponseError {
    #[error("its head is larger than 80 KiB")]
    TooLarge,
    #[error("it has more than 100 headers")]
    TooMany,
    #[error("its content-length is not one decimal number")]
    ContentLength,
    #[error("its transfer-encoding is not chunked alone")]
    TransferEncoding,
    #[error("it has both a content-length and a transfer-encoding")]
    TwoFramings,
    #[error("it announces a body for a status that has none")]
    BodyOfNoContent,
}

/// Checks a head as it came.
pub(crate) fn check(parts: &Parts) -> Result<(), ResponseError> {
    let headers = &parts.headers;
    // HTTP/2 carries the status as a header.
    if headers.len() + usize::from(parts.version == Version::HTTP_2) > MAX_FIELDS {
        return Err(ResponseError::TooMany);
    }
    if headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
        > MAX_RESPONSE_HEAD
    {
        return Err(ResponseError::TooLarge);
    }
    let length = content_length(headers)?;
    let is_encoded = is_chunked(headers)?;
    if is_encoded && length.is_some() {
        return Err(ResponseError::TwoFramings);
    }
    if parts.status == StatusCode::NO_CONTENT && (is_encoded || length.is_some_and(|n| n > 0)) {
        return Err(ResponseError::BodyOfNoContent);
    }
    Ok(())
}

/// The length, if there is one. Two equal lengths are an error too, as in Envoy: RFC 9112 §6.3
/// allows to join them, and then a hop that takes the first and one that takes neither disagree.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ResponseError> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    // `u64::from_str` takes a leading `+`, HTTP does not.
    let digits = std::str::from_utf8(line.as_bytes())
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(length) if lines.next().is_none() => Ok(Some(length)),
        _ => Err(ResponseError::ContentLength),
    }
}

fn is_chunked(headers: &HeaderMap) -> Result<bool, ResponseError> {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes);
    match (lines.next(), lines.next()) {
        (None, _) => Ok(false),
        (Some(only), None) if only.eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(ResponseError::TransferEncoding),
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use http::response::Builder;

    use super::*;

    fn checked(response: Builder) -> Result<(), ResponseError> {
        check(&response.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_head_may_have_80_kib_and_100_headers() {
        let with_value = |length: usize| Response::builder().header("x", "v".repeat(length));
        assert_eq!(checked(with_value(MAX_RESPONSE_HEAD - 5)), Ok(()));
        assert_eq!(checked(with_value(MAX_RESPONSE_HEAD - 4)), Err(ResponseError::TooLarge));
        let with_lines = |lines: usize| {
            (0..lines).fold(Response::builder(), |response, line| response.header("x", line))
        };
        assert_eq!(checked(with_lines(100)), Ok(()));
        assert_eq!(checked(with_lines(101)), Err(ResponseError::TooMany));
        assert_eq!(checked(with_lines(99).version(Version::HTTP_2)), Ok(()));
        assert_eq!(checked(with_lines(100).version(Version::HTTP_2)), Err(ResponseError::TooMany));
    }

    #[test]
    fn a_status_without_a_body_may_not_announce_one() {
        let no_content = || Response::builder().status(204);
        assert_eq!(checked(no_content().header("content-length", "0")), Ok(()));
        for (name, value) in [("content-length", "2"), ("transfer-encoding", "chunked")] {
            assert_eq!(
                checked(no_content().header(name, value)),
                Err(ResponseError::BodyOfNoContent)
            );
            // 304 may say what a 200 would have had (RFC 9110 §15.4.5).
            assert_eq!(checked(Response::builder().status(304).header(name, value)), Ok(()));
        }
    }
}
