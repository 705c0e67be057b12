//! A request's head as JSON. Every byte that the client sent can be recovered from it.

use gatepost_gateway::escaped;
use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use serde_json::{Value, json};

/// The authority: `:authority` in HTTP/2, `Host` in HTTP/1.1.
pub(super) fn authority(parts: &Parts) -> String {
    match parts.uri.authority() {
        Some(authority) => authority.as_str().to_owned(),
        None => parts.headers.get(HOST).map(|host| escaped(host.as_bytes())).unwrap_or_default(),
    }
}

/// The request's head. In HTTP/1.1 the authority is also among the headers.
pub(super) fn head(upstream: &str, parts: &Parts) -> Value {
    let headers: Vec<Value> = parts
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), escaped(value.as_bytes())]))
        .collect();
    json!({
        "upstream": upstream,
        "method": parts.method.as_str(),
        "authority": authority(parts),
        "path": parts.uri.path_and_query().map_or("", PathAndQuery::as_str),
        "headers": headers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
