//! The head of an HTTP/1.1 request as bytes, before hyper reads it: what hyper would not let the
//! gateway see, or would refuse although Envoy takes it. It finds the head's end and its body's
//! framing, refuses what is framed in two ways, and escapes in the target the bytes that
//! `http::Uri` does not hold.

use std::mem::MaybeUninit;

use crate::body_end::BodyEnd;
use crate::limits::MAX_FIELDS;

/// The bytes of an HTTP/2 connection's beginning.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes of a request are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// More bytes are needed.
    Partial,
    /// A head of this length.
    Whole {
        length: usize,
        body: BodyEnd,
        /// The head as hyper is to read it, where that differs.
        rewritten: Option<Vec<u8>>,
        /// Whether the connection may change its protocol behind this head.
        may_switch: bool,
    },
    /// Envoy answers it with 400.
    Refused,
    /// hyper refuses it, or it says more than this module reads. It is handed on as it is.
    Unclear,
}

/// Reads the head at the beginning of these bytes.
pub(crate) fn read(bytes: &[u8]) -> Head {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Head::Partial,
        Err(_) => return Head::Unclear,
    };
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Head::Unclear;
    };
    if method == "CONNECT" {
        return Head::Unclear;
    }
    if target.contains('#') {
        return Head::Refused;
    }
    let Ok(body) = body_end(request.headers) else { return Head::Refused };
    let Some(body) = body else { return Head::Unclear };
    let may_switch = request.headers.iter().any(|header| is(header, "upgrade"));
    let rewritten = escaped(target).map(|escaped| {
        let start = target.as_ptr().addr() - bytes.as_ptr().addr();
        let (before, after) = (&bytes[..start], &bytes[start + target.len()..length]);
        [before, escaped.as_bytes(), after].concat()
    });
    Head::Whole { length, body, rewritten, may_switch }
}

/// The body has two framings, or a length that is not one decimal number.
struct TwoFramings;

/// The framing; `None` when hyper or `codec_checks` refuses it.
fn body_end(headers: &[httparse::Header<'_>]) -> Result<Option<BodyEnd>, TwoFramings> {
    let mut lengths = headers.iter().filter(|header| is(header, "content-length"));
    let mut encodings = headers.iter().filter(|header| is(header, "transfer-encoding"));
    match (lengths.next(), encodings.next()) {
        (None, None) => Ok(Some(BodyEnd::Length(0))),
        (Some(_), Some(_)) => Err(TwoFramings),
        (Some(length), None) => {
            let digits = length.value.trim_ascii();
            let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
            match number {
                Some(number) if is_number && lengths.next().is_none() => {
                    Ok(Some(BodyEnd::Length(number)))
                }
                _ => Err(TwoFramings),
            }
        }
        (None, Some(encoding)) => {
            let is_chunked = encoding.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            Ok((is_chunked && encodings.next().is_none()).then_some(BodyEnd::CHUNKED))
        }
    }
}

fn is(header: &httparse::Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

/// The target with the bytes escaped that Envoy takes and `http::Uri` does not; `None` when there
/// are none. In an absolute target the authority stays as it is.
fn escaped(target: &str) -> Option<String> {
    let is_odd = |byte: &u8| matches!(byte, b'"' | b'<' | b'>' | b'`');
    if !target.as_bytes().iter().any(is_odd) {
        return None;
    }
    let path = if target.starts_with('/') {
        0
    } else {
        let authority = target.find("://")? + 3;
        authority + target.get(authority..)?.find('/')?
    };
    let (before, path) = target.split_at(path);
    if before.as_bytes().iter().any(is_odd) {
        return None;
    }
    let mut escaped = before.to_owned();
    for character in path.chars() {
        match u8::try_from(character) {
            Ok(byte) if is_odd(&byte) => escaped.push_str(&format!("%{byte:02X}")),
            _ => escaped.push(character),
        }
    }
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(target: &str) -> Option<String> {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        match read(head.as_bytes()) {
            Head::Whole { rewritten, .. } => rewritten.map(|head| {
                let head = String::from_utf8(head).unwrap();
                assert!(head.ends_with(" HTTP/1.1\r\nHost: a\r\n\r\n"), "{head}");
                head.split(' ').nth(1).unwrap().to_owned()
            }),
            other => panic!("{target}: {other:?}"),
        }
    }

    #[test]
    fn bytes_that_no_uri_holds_are_escaped_behind_the_authority() {
        assert_eq!(rewritten("/a?q=<b>").as_deref(), Some("/a?q=%3Cb%3E"));
        assert_eq!(rewritten("/\"`x?\"`").as_deref(), Some("/%22%60x?%22%60"));
        assert_eq!(rewritten("http://h/<").as_deref(), Some("http://h/%3C"));
        for same in ["/a?b={|}^\\", "http://h<h/<", "http://h", "*", "<"] {
            assert_eq!(rewritten(same), None, "{same}");
        }
    }

    #[test]
    fn a_body_with_two_framings_is_refused() {
        for (headers, expected) in [
            ("content-length: 5\r\ntransfer-encoding: chunked\r\n", Head::Refused),
            ("content-length: 5\r\ncontent-length: 5\r\n", Head::Refused),
            ("content-length: 5, 5\r\n", Head::Refused),
            ("content-length: +5\r\n", Head::Refused),
            ("content-length: \r\n", Head::Refused),
            ("transfer-encoding: gzip, chunked\r\n", Head::Unclear),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", Head::Unclear),
        ] {
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
            assert_eq!(read(head.as_bytes()), expected, "{headers:?}");
        }
        assert_eq!(read(b"GET /#x HTTP/1.1\r\nhost: a\r\n\r\n"), Head::Refused);
    }

    #[test]
    fn a_head_has_a_length_and_a_body() {
        let body = |headers: &str| {
            let head = format!("POST / HTTP/1.1\r\n{headers}\r\n");
            match read(format!("{head}more").as_bytes()) {
                Head::Whole { length, body, rewritten: None, .. } if length == head.len() => body,
                other => panic!("{headers}: {other:?}"),
            }
        };
        assert_eq!(body("host: a\r\n"), BodyEnd::Length(0));
        assert_eq!(body("Content-Length: 17\r\n"), BodyEnd::Length(17));
        assert_eq!(body("Transfer-Encoding: Chunked\r\n"), BodyEnd::CHUNKED);
        assert_eq!(read(b"POST / HTTP/1.1\r\nhost: a\r\n"), Head::Partial);
        assert_eq!(read(b"\0"), Head::Unclear);
    }
}
