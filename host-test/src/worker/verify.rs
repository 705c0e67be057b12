//! The checks that Envoy's router and codecs make before they send a message's headers, which
//! guests may have changed.

use super::reply::Reply;
use crate::headers::Headers;

/// A request needs a method and a path, and names and values that are valid in HTTP. `CONNECT`
/// needs an authority and no path.
pub(super) fn request(headers: &Headers) -> Result<(), Reply> {
    let is_connect = headers.get(":method") == Some(b"CONNECT");
    if headers.get(":path").is_none() && !is_connect {
        return Err(Reply::of_chain(404, "", "route_not_found"));
    }
    let reason = match headers.get(":method") {
        None => Some("missing required header: :method".to_owned()),
        Some(_) if is_connect && headers.get(":authority").is_none() => {
            Some("missing required header: :authority".to_owned())
        }
        Some(_) => invalid(headers),
    };
    match reason {
        // In Envoy the upstream's codec refuses the request, so the answer is that of a failed
        // upstream.
        Some(reason) => {
            Err(Reply::of_chain(503, &reason, "filter_removed_required_request_headers"))
        }
        None => Ok(()),
    }
}

/// A response needs a status of three digits.
pub(super) fn response(headers: &Headers) -> Result<(), Reply> {
    let is_status = |status: &[u8]| {
        status.len() == 3 && status.iter().all(u8::is_ascii_digit) && status.first() != Some(&b'0')
    };
    if headers.get(":status").is_some_and(is_status) {
        return Ok(());
    }
    Err(Reply::of_chain(
        502,
        "missing required header: :status",
        "filter_removed_required_response_headers",
    ))
}

fn invalid(headers: &Headers) -> Option<String> {
    for (name, value) in headers.iter() {
        let bare = name.strip_prefix(b":").unwrap_or(name);
        if bare.is_empty() || !bare.iter().all(|byte| is_token(*byte)) {
            return Some(format!("invalid header name: {}", name.escape_ascii()));
        }
        if value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            return Some(format!("invalid header value for: {}", name.escape_ascii()));
        }
    }
    None
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pairs: &[(&str, &str)]) -> Option<(u32, String)> {
        let reply = request(&Headers::request(pairs.iter().copied())).err()?;
        Some((reply.status, String::from_utf8_lossy(&reply.body).into_owned()))
    }

    #[test]
    fn a_request_is_sent_only_when_http_can_carry_it() {
        let whole = [(":method", "GET"), (":path", "/"), ("x-ok", "caf\u{e9}")];
        assert_eq!(refusal(&whole), None);
        assert_eq!(refusal(&whole[..1]), Some((404, String::new())));
        assert_eq!(refusal(&whole[1..]), Some((503, "missing required header: :method".into())));
        assert_eq!(refusal(&[(":method", "CONNECT"), (":authority", "a:1")]), None);
        assert_eq!(
            refusal(&[(":method", "CONNECT")]),
            Some((503, "missing required header: :authority".into()))
        );
        let with = |name, value| refusal(&[whole[0], whole[1], (name, value)]);
        assert_eq!(with("x-line", "a\nb"), Some((503, "invalid header value for: x-line".into())));
        assert_eq!(with("x a", "b"), Some((503, "invalid header name: x a".into())));
        assert_eq!(with("", "b"), Some((503, "invalid header name: ".into())));
    }

    #[test]
    fn a_response_needs_a_status_of_three_digits() {
        let ok = |status: &str| response(&Headers::response([(":status", status)])).is_ok();
        assert!(ok("200") && ok("599"));
        assert!(!ok("20") && !ok("word") && !ok("099") && !ok("2000"));
        assert!(response(&Headers::response([("a", "b")])).is_err());
    }
}
