//! What a registry asks for with 401: the header `WWW-Authenticate` (RFC 9110 §11.6.1).

use std::net::IpAddr;

use url::{Host, Url};

/// How to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With a name and a password in every request.
    Basic,
    /// With a token of a token service.
    Bearer {
        /// The service's URL.
        realm: String,
        /// What the registry calls itself there.
        service: Option<String>,
    },
}

impl Challenge {
    /// The first challenge of a kind that is known, of all values of the header.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        values.into_iter().find_map(|value| {
            let (scheme, parameters) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
            if scheme.eq_ignore_ascii_case("basic") {
                return Some(Self::Basic);
            }
            let realm =
                parameter(parameters, "realm").filter(|_| scheme.eq_ignore_ascii_case("bearer"));
            realm.map(|realm| Self::Bearer { realm, service: parameter(parameters, "service") })
        })
    }
}

/// The value of a parameter: a token, or a quoted string.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, after) = after.split_once(',').unwrap_or((after, ""));
                (value.trim().to_owned(), after)
            }
        };
        if name.trim_matches([' ', ',']).eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// A quoted string up to its closing quote, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return text.get(at + 1..).map(|rest| (value, rest)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// Why Istio's agent refuses to sign in, if it does. Since it must not be led into its cluster's
/// own network, it takes no realm that is not the URL of a public host. It asks that of the realm
/// of Basic, too, which is a text for people elsewhere (`validateAllRealms` in `imagefetcher.go`).
pub(super) fn agent_refuses<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<String> {
    values.into_iter().find_map(|value| {
        let mut realms = value.split("realm=\"").skip(1);
        realms.find_map(|rest| {
            let realm = rest.split_once('"').map_or("", |(realm, _)| realm);
            let why = if rest.contains('"') { unsafe_realm(realm) } else { None };
            why.map(|why| format!("the realm {realm:?} of its WWW-Authenticate is {why}"))
        })
    })
}

fn unsafe_realm(realm: &str) -> Option<&'static str> {
    let Some(url) = Url::parse(realm).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
    else {
        return Some("no http:// or https:// URL");
    };
    let address: IpAddr = match url.host() {
        Some(Host::Domain("localhost" | "metadata.google.internal")) => {
            return Some("a host that it must not be led to");
        }
        Some(Host::Domain(_)) => return None,
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        None => return Some("without a host"),
    };
    let is_inside = match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_private() || address.is_loopback() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    };
    is_inside.then_some("a private address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_service_is_found_with_its_name() {
        let value =
            r#"Bearer realm="https://auth.example/token",service="r.example",scope="a:b,c""#;
        let bearer = Challenge::Bearer {
            realm: "https://auth.example/token".to_owned(),
            service: Some("r.example".to_owned()),
        };
        assert_eq!(Challenge::of([value]), Some(bearer.clone()));
        let tokens = "bearer service=r.example, realm=https://auth.example/token";
        assert_eq!(Challenge::of(["Negotiate", tokens]), Some(bearer));
    }

    #[test]
    fn quotes_can_be_escaped() {
        assert_eq!(parameter(r#"a="1\"2",realm="x""#, "realm").as_deref(), Some("x"));
        assert_eq!(parameter(r#"a="1\"2",realm="x""#, "a").as_deref(), Some("1\"2"));
    }

    #[test]
    fn basic_is_known_and_others_are_not() {
        assert_eq!(Challenge::of([r#"Basic realm="Registry""#]), Some(Challenge::Basic));
        for value in ["", "Negotiate", "Bearer", r#"Bearer realm="x"#, r#"Bearer service="x""#] {
            assert_eq!(Challenge::of([value]), None, "{value}");
        }
    }

    #[test]
    fn the_agent_refuses_realms_that_are_no_urls_of_public_hosts() {
        for realm in [
            "Registry Realm",
            "file:///etc/passwd",
            "http://localhost/token",
            "http://10.0.0.1/token",
            "https://[::1]/token",
            "http://169.254.169.254/token",
            "http://metadata.google.internal/token",
        ] {
            let why = agent_refuses([format!("Basic realm=\"{realm}\"").as_str()]);
            assert!(why.is_some_and(|why| why.contains(realm)), "{realm}");
        }
        assert_eq!(agent_refuses([r#"Bearer realm="https://auth.example/token""#]), None);
        assert_eq!(agent_refuses(["Basic"]), None);
    }
}
