//! What a request looked like when it arrived, as JSON. Every byte can be told from it, whatever
//! the client sent.

use std::fmt::Write as _;

use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use serde_json::{Value, json};

/// Bytes as text without loss: UTF-8 stands as it is, a backslash is doubled, and each byte that is
/// not part of UTF-8 is written `\xNN`.
///
/// ```
/// assert_eq!(gatepost::echo::escaped(b"caf\xc3\xa9 \xff \\"), "café \\xff \\\\");
/// ```
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                text.push('\\');
            }
            text.push(character);
        }
        for byte in chunk.invalid() {
            // Writing to a String does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The request's head. The authority is `:authority`, or Host with HTTP/1.1, where it is among the
/// headers too.
pub(super) fn head(upstream: &str, parts: &Parts) -> Value {
    let authority = match parts.uri.authority() {
        Some(authority) => authority.as_str().to_owned(),
        None => parts.headers.get(HOST).map(|host| escaped(host.as_bytes())).unwrap_or_default(),
    };
    let headers: Vec<Value> = parts
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), escaped(value.as_bytes())]))
        .collect();
    json!({
        "upstream": upstream,
        "method": parts.method.as_str(),
        "authority": authority,
        "path": parts.uri.path_and_query().map_or("", PathAndQuery::as_str),
        "headers": headers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_bytes_never_become_the_same_text() {
        assert_eq!(escaped(b"\\xff"), "\\\\xff");
        assert_eq!(escaped(b"\xff"), "\\xff");
        assert_eq!(escaped("\u{fffd}".as_bytes()), "\u{fffd}");
    }

    #[test]
    fn a_head_shows_repeated_and_raw_headers_in_order() {
        let raw = http::HeaderValue::from_bytes(b"\xe9").unwrap();
        let request = http::Request::get("/x?y")
            .header("host", "a:1")
            .header("env", "1")
            .header("env", raw)
            .body(())
            .unwrap();
        let expected = json!({
            "upstream": "u", "method": "GET", "authority": "a:1", "path": "/x?y",
            "headers": [["host", "a:1"], ["env", "1"], ["env", "\\xe9"]],
        });
        assert_eq!(head("u", &request.into_parts().0), expected);
    }
}
