//! The part of a URL that names a host, found without touching the rest (RFC 3986 §3).

/// The scheme of a URL or of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Reads a scheme's name, in any case (RFC 3986 §3.1).
    pub fn read(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"https") {
            Some(Self::Https)
        } else {
            name.eq_ignore_ascii_case(b"http").then_some(Self::Http)
        }
    }

    /// The port that a URL of this scheme means when it names none.
    pub fn default_port(self) -> &'static str {
        match self {
            Self::Http => ":80",
            Self::Https => ":443",
        }
    }
}

/// A URL with an authority, `http://…`, `https://…` or `//…`, in its three parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub scheme: Option<Scheme>,
    /// Up to the authority.
    pub before: &'a [u8],
    pub authority: &'a [u8],
    /// The path, the query and the fragment.
    pub after: &'a [u8],
}

impl<'a> Url<'a> {
    /// Nothing for a URL without an authority, or of another scheme.
    pub fn split(url: &'a [u8]) -> Option<Self> {
        let slashes = url.windows(2).position(|bytes| bytes == b"//")?;
        let (name, rest) = url.split_at_checked(slashes)?;
        let scheme = match name.strip_suffix(b":") {
            Some(name) => Some(Scheme::read(name)?),
            None if name.is_empty() => None,
            None => return None,
        };
        let (_, rest) = rest.split_at_checked(2)?;
        let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        let (authority, after) = rest.split_at_checked(end)?;
        let before = url.get(..slashes.checked_add(2)?)?;
        Some(Self { scheme, before, authority, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_at_its_authority() {
        for (url, scheme, authority, after) in [
            ("https://a.test/b?c#d", Some(Scheme::Https), "a.test", "/b?c#d"),
            ("HTTP://a.test", Some(Scheme::Http), "a.test", ""),
            ("//a.test:80?x=//b", None, "a.test:80", "?x=//b"),
            ("http://user@a.test#", Some(Scheme::Http), "user@a.test", "#"),
            ("http:///path", Some(Scheme::Http), "", "/path"),
        ] {
            let split = Url::split(url.as_bytes()).expect(url);
            let found = (split.scheme, split.authority, split.after);
            assert_eq!(found, (scheme, authority.as_bytes(), after.as_bytes()), "{url}");
            assert_eq!([split.before, split.authority, split.after].concat(), url.as_bytes());
        }
    }

    #[test]
    fn other_texts_have_no_authority() {
        for text in ["", "/", "/path", "path//a", "ftp://a.test", "http:/a", " //a", "http ://a"] {
            assert_eq!(Url::split(text.as_bytes()), None, "{text}");
        }
    }
}
