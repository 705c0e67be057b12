//! The target of a route: the address of an upstream, to connect to. It is not sent to the
//! upstream, which gets the request's own authority.

use std::fmt;

use http::uri::Authority;

/// An upstream's `ADDRESS:PORT`. The address is an IPv4 address, an IPv6 address in brackets or a
/// DNS name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target(Authority);

/// Why a text is not a [`Target`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It asks for TLS.
    #[error(
        "`{0}` asks for TLS, which the gateway does not speak to upstreams; \
         write http://ADDRESS:PORT"
    )]
    Tls(String),
    /// It has no port.
    #[error("`{0}` has no port; write ADDRESS:PORT")]
    NoPort(String),
    /// It has a path, a query or a user.
    #[error("`{0}` is more than an address; write http://ADDRESS:PORT without user, path or query")]
    NotOnlyAnAddress(String),
    /// It is not an address.
    #[error("`{0}` is no address; write ADDRESS:PORT, an IPv6 address in brackets")]
    Invalid(String),
}

impl Target {
    /// Reads `http://ADDRESS:PORT` or `ADDRESS:PORT`.
    ///
    /// # Errors
    /// When the text is anything else; see [`TargetError`].
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let owned = || text.to_owned();
        if starts_with_ignoring_case(text, "https://") {
            return Err(TargetError::Tls(owned()));
        }
        let rest = if starts_with_ignoring_case(text, "http://") {
            text.get(7..).unwrap_or_default()
        } else {
            text
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(TargetError::NotOnlyAnAddress(owned()));
        }
        let authority: Authority = rest.parse().map_err(|_| TargetError::Invalid(owned()))?;
        if authority.host().is_empty() || authority.host().contains([',', '*']) {
            return Err(TargetError::Invalid(owned()));
        }
        match authority.port_u16() {
            Some(0) => Err(TargetError::Invalid(owned())),
            Some(_) => Ok(Self(authority)),
            None if authority.as_str().len() == authority.host().len() => {
                Err(TargetError::NoPort(owned()))
            }
            None => Err(TargetError::Invalid(owned())),
        }
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.0
    }
}

impl std::str::FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        Self::parse(text)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_and_without_its_scheme() {
        for (text, shown) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("HTTP://app.example:80/", "app.example:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(Target::parse(text).map(|target| target.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn what_is_no_plain_address_is_refused_with_its_reason() {
        assert!(matches!(Target::parse("https://a:1"), Err(TargetError::Tls(_))));
        assert!(matches!(Target::parse("a"), Err(TargetError::NoPort(_))));
        assert!(matches!(Target::parse("http://a"), Err(TargetError::NoPort(_))));
        for text in ["http://a:1/x", "a:1?q", "u@a:1"] {
            assert!(matches!(Target::parse(text), Err(TargetError::NotOnlyAnAddress(_))), "{text}");
        }
        for text in ["", "a:", "a:0", "a:99999", ":80", "a b:1", "a:x", "*:80", "::1:80"] {
            assert!(matches!(Target::parse(text), Err(TargetError::Invalid(_))), "{text}");
        }
    }
}
