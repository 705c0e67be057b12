//! Path normalization as Envoy's `normalize_path` does it, which Istio's gateways set: dot segments
//! are resolved, backslashes become slashes, needless escapes are decoded. A policy must match the
//! path that the upstream gets. Every rule was measured on Envoy 1.40. Queries stay as they are,
//! and so do repeated slashes (`merge_slashes` is another setting).

use std::borrow::Cow;

/// The path holds `%00`, which Envoy refuses with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path holds an escaped zero byte")]
pub(crate) struct EscapedZero;

/// Normalizes a path that begins with a slash. Any other path stays as it is.
pub(crate) fn normalized(target: &[u8]) -> Result<Cow<'_, [u8]>, EscapedZero> {
    let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at(end);
    if !path.starts_with(b"/") || !path.iter().any(|byte| may_change(*byte)) {
        return Ok(Cow::Borrowed(target));
    }
    let mut segments: Vec<Vec<u8>> = Vec::new();
    let mut raw = path.split(|byte| is_slash(*byte)).skip(1).peekable();
    while let Some(segment) = raw.next() {
        let last = raw.peek().is_none();
        let written = unescaped(segment)?;
        let up = written == b".." || segment.starts_with(b"..;");
        if up {
            segments.pop();
        } else if written != b"." && !segment.starts_with(b".;") {
            segments.push(written);
            continue;
        }
        if last {
            segments.push(Vec::new());
        }
    }
    let mut normal = Vec::with_capacity(target.len());
    for segment in segments {
        normal.push(b'/');
        normal.extend(segment);
    }
    normal.extend(query);
    Ok(Cow::Owned(normal))
}

fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// A path without any of these bytes is normalized already.
fn may_change(byte: u8) -> bool {
    matches!(byte, b'.' | b'%' | b'\\') || must_be_escaped(byte)
}

/// Bytes that a normalized path has only in escaped form.
fn must_be_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// A segment in which the escapes of unreserved characters (RFC 3986 §2.3) are decoded and all
/// other escapes stay.
fn unescaped(segment: &[u8]) -> Result<Vec<u8>, EscapedZero> {
    let mut written = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escape = after.split_first_chunk::<2>().filter(|_| byte == b'%');
        match escape.and_then(|(digits, behind)| Some((hexadecimal(*digits)?, behind))) {
            Some((0, _)) => return Err(EscapedZero),
            Some((value, behind)) if value.is_ascii_alphanumeric() || b"-._~".contains(&value) => {
                written.push(value);
                rest = behind;
            }
            _ if must_be_escaped(byte) => written.extend(format!("%{byte:02X}").bytes()),
            _ => written.push(byte),
        }
    }
    Ok(written)
}

fn hexadecimal(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? * 16 + low?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> String {
        String::from_utf8(normalized(path.as_bytes()).expect(path).into_owned())
            .expect("ASCII stays ASCII")
    }

    #[test]
    fn paths_become_what_envoy_makes_of_them() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b?c=../d", "/a/b?c=../d"),
            ("/x/..", "/"),
            ("/../..", "/"),
            ("/.", "/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/..?q", "/?q"),
            ("/a/...", "/a/..."),
            ("/a/..b", "/a/..b"),
            ("//", "//"),
            ("//a/..", "//"),
            ("/a///../b", "/a//b"),
            ("/a\\..\\b", "/b"),
            ("/a\\", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e", "/"),
            ("/a%2e", "/a."),
            ("/%75p%7e", "/up~"),
            ("/a%2fb%e3", "/a%2fb%e3"),
            ("/%2E%2E%2F", "/..%2F"),
            ("/%252e%252e/x", "/%252e%252e/x"),
            ("/a%", "/a%"),
            ("/a%2", "/a%2"),
            ("/%zz/../a", "/a"),
            ("/a/..;x", "/"),
            ("/a/..;/b", "/b"),
            ("/a/.;/b", "/a/b"),
            ("/a/%2e%2e;x", "/a/..;x"),
            ("/a/b;..", "/a/b;.."),
            ("/a{b}|\"", "/a%7Bb%7D%7C%22"),
            ("*", "*"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
    }

    #[test]
    fn an_escaped_zero_byte_is_refused() {
        assert_eq!(normalized(b"/a%00"), Err(EscapedZero));
        assert!(normalized(b"/a?%00").is_ok());
    }

    #[test]
    fn a_normal_path_is_not_copied() {
        assert!(matches!(normalized(b"/orders/17?x=%41"), Ok(Cow::Borrowed(_))));
    }
}
