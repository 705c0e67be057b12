//! What Envoy's connection manager does with a request before any filter: it refuses malformed
//! requests, determines the client's address, and normalizes the authority and the path for filters
//! and routes.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, StatusCode, Version};

use crate::access_log::Access;
use crate::authority::{HostError, authority_of};
use crate::extensions::Origin;
use crate::options::GatewayOptions;
use crate::reply::LocalReply;
use crate::{codec_checks, forwarded, hop_by_hop, path};

/// A request that is answered before any filter.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reply: LocalReply,
    /// Whether the connection is closed after the reply.
    pub(crate) closes: bool,
}

/// Checks a request's head, and rewrites it into the form that filters see. What the access log
/// needs of the original goes into `access`.
pub(crate) fn admit(
    parts: &mut Parts,
    peer: SocketAddr,
    options: &GatewayOptions,
    access: Option<&mut Access>,
) -> Result<(), Refused> {
    codec_checks::check(parts).map_err(|error| refused(error.status(), error.to_string()))?;
    let is_http1 = parts.version == Version::HTTP_11;
    let upgrade = hop_by_hop::asked_upgrade(&parts.headers).filter(|_| is_http1);
    if hop_by_hop::clean_request(&mut parts.headers).is_err() {
        return Err(refused(StatusCode::BAD_REQUEST, "connection_header_names_a_protected_header"));
    }
    let hops = options.trusted_hops;
    let source = forwarded::source(&parts.headers, peer, hops);
    forwarded::annotate(&mut parts.headers, peer, source, hops, options.keep_request_id);
    let authority = authority_of(parts).map_err(|error| match error {
        HostError::Invalid => refused(StatusCode::BAD_REQUEST, error.to_string()),
        HostError::Missing => refused_without_body(StatusCode::BAD_REQUEST, &error.to_string()),
    })?;
    if let Some(access) = access {
        access.source = source;
        access.authority = Bytes::copy_from_slice(authority.as_bytes());
    }
    if upgrade.as_ref().is_some_and(|protocol| !allows(options, protocol)) {
        return Err(refused_without_body(StatusCode::FORBIDDEN, "upgrade_failed"));
    }
    hop_by_hop::set_upgrade(&mut parts.headers, upgrade);
    if parts.method == Method::CONNECT {
        return Err(refused_without_body(StatusCode::NOT_FOUND, "connect_is_not_supported"));
    }
    let path = normal_path(&parts.method, &parts.uri)?;
    let scheme = scheme(&parts.headers);
    set_target(parts, authority, &scheme, path)
        .map_err(|error| refused(StatusCode::BAD_REQUEST, error.to_string()))?;
    parts.extensions.insert(Origin { source, scheme });
    Ok(())
}

/// Whether clients may change to this protocol.
fn allows(options: &GatewayOptions, protocol: &HeaderValue) -> bool {
    options.upgrades.iter().any(|name| protocol.as_bytes().eq_ignore_ascii_case(name.as_bytes()))
}

/// A refusal with the status' reason phrase as its body, as Envoy's codecs send it.
fn refused(status: StatusCode, details: impl Into<String>) -> Refused {
    Refused { reply: LocalReply::refusal(status, details), closes: true }
}

/// A refusal with an empty body.
fn refused_without_body(status: StatusCode, details: &str) -> Refused {
    Refused { reply: LocalReply::new(status, "", details), closes: true }
}

/// The normalized path; `None` when it is normalized already.
fn normal_path(method: &Method, uri: &Uri) -> Result<Option<PathAndQuery>, Refused> {
    let written = uri.path_and_query().map_or("", PathAndQuery::as_str);
    match written.as_bytes() {
        [b'/', ..] => {}
        b"*" if method == Method::OPTIONS => {
            return Err(Refused {
                closes: false,
                ..refused_without_body(StatusCode::NOT_FOUND, "path_is_not_absolute")
            });
        }
        _ => return Err(refused(StatusCode::BAD_REQUEST, "path_is_not_absolute")),
    }
    match path::normalized(written.as_bytes())
        .map_err(|error| refused(StatusCode::BAD_REQUEST, error.to_string()))?
    {
        Cow::Borrowed(_) => Ok(None),
        Cow::Owned(path) => PathAndQuery::try_from(path)
            .map(Some)
            .map_err(|error| refused(StatusCode::BAD_REQUEST, error.to_string())),
    }
}

/// An HTTP/1.1 request does not carry its scheme. Envoy takes `x-forwarded-proto`, which
/// `forwarded::annotate` has already replaced if it cannot be trusted.
fn scheme(headers: &HeaderMap) -> Scheme {
    match headers.get("x-forwarded-proto") {
        Some(proto) if proto == "https" => Scheme::HTTPS,
        _ => Scheme::HTTP,
    }
}

/// Writes the target in one form: with HTTP/1.1 a path and one `Host`, with HTTP/2 an absolute URI
/// and no `Host`. If an HTTP/2 request's authority came as `Host` and no URI can hold it, it stays
/// in `Host`.
fn set_target(
    parts: &mut Parts,
    authority: HeaderValue,
    scheme: &Scheme,
    path: Option<PathAndQuery>,
) -> Result<(), http::Error> {
    let whole = if parts.version != Version::HTTP_2 {
        None
    } else if let Some(authority) = parts.uri.authority() {
        Some((parts.uri.scheme().unwrap_or(scheme).clone(), authority.clone()))
    } else {
        Authority::try_from(authority.as_bytes()).ok().map(|authority| (scheme.clone(), authority))
    };
    if whole.is_some() {
        parts.headers.remove(HOST);
    } else {
        parts.headers.insert(HOST, authority);
    }
    let is_whole = parts.uri.authority().is_some();
    if path.is_none() && is_whole == whole.is_some() {
        return Ok(());
    }
    let mut target = http::uri::Parts::default();
    target.path_and_query = path.or_else(|| parts.uri.path_and_query().cloned());
    if let Some((scheme, authority)) = whole {
        (target.scheme, target.authority) = (Some(scheme), Some(authority));
    }
    parts.uri = Uri::from_parts(target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Builder;

    use super::*;

    const PEER: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9)), 4711);

    fn admitted(request: Builder) -> Result<Parts, Refused> {
        let mut parts = request.body(()).unwrap().into_parts().0;
        admit(
            &mut parts,
            PEER,
            &GatewayOptions { trusted_hops: 1, ..GatewayOptions::default() },
            None,
        )?;
        Ok(parts)
    }

    /// The URI and the `Host` lines that a filter gets.
    fn target(request: Builder) -> (String, Vec<HeaderValue>) {
        let parts = admitted(request).unwrap();
        (parts.uri.to_string(), parts.headers.get_all(HOST).iter().cloned().collect())
    }

    #[test]
    fn http1_has_a_path_and_one_host() {
        let host = |value: &str| vec![HeaderValue::from_str(value).unwrap()];
        assert_eq!(
            target(Request::get("/x?y").header("host", "A.example:80")),
            ("/x?y".into(), host("A.example:80"))
        );
        let two = Request::get("/").header("host", "a.example").header("host", "b.example");
        assert_eq!(target(two), ("/".into(), host("a.example,b.example")));
        let absolute = Request::get("http://u:p@a.example/x/../y?q").header("host", "b.example");
        assert_eq!(target(absolute), ("/y?q".into(), host("a.example")));
        assert_eq!(target(Request::get("/").header("host", "")), ("/".into(), host("")));
    }

    #[test]
    fn http2_has_a_whole_uri_and_no_host() {
        let get = |uri: &str| Request::get(uri).version(Version::HTTP_2);
        let both = get("https://a.example/./x").header("host", "b.example");
        assert_eq!(target(both), ("https://a.example/x".into(), vec![]));
        let bare = get("/x").header("host", "a.example").header("x-forwarded-proto", "https");
        assert_eq!(target(bare), ("https://a.example/x".into(), vec![]));
        // `http` has no such authority, HTTP has.
        let odd = get("/x").header("host", "a%2fb");
        assert_eq!(target(odd), ("/x".into(), vec![HeaderValue::from_static("a%2fb")]));
    }

    #[test]
    fn filters_are_told_where_a_request_comes_from() {
        let request =
            Request::get("/").header("host", "a").header("x-forwarded-for", "203.0.113.1");
        let parts = admitted(request.header("x-forwarded-proto", "https")).unwrap();
        let origin =
            Origin { source: SocketAddr::new([203, 0, 113, 1].into(), 0), scheme: Scheme::HTTPS };
        assert_eq!(parts.extensions.get(), Some(&origin));
    }

    #[test]
    fn what_no_filter_is_to_see_is_refused() {
        let refusal = |request: Builder| {
            let refused = admitted(request).unwrap_err();
            (refused.reply.status.as_u16(), refused.reply.body, refused.closes)
        };
        assert_eq!(refusal(Request::get("/")), (400, "", true));
        assert_eq!(refusal(Request::get("/").header("host", "a b")), (400, "Bad Request", true));
        assert_eq!(refusal(Request::get("/%00").header("host", "a")), (400, "Bad Request", true));
        assert_eq!(refusal(Request::get("*").header("host", "a")), (400, "Bad Request", true));
        assert_eq!(refusal(Request::options("*").header("host", "a")), (404, "", false));
        assert_eq!(refusal(Request::connect("a:443").header("host", "a:443")), (404, "", true));
        let spdy = Request::get("/")
            .header("host", "a")
            .header("connection", "upgrade")
            .header("upgrade", "spdy/3");
        assert_eq!(refusal(spdy), (403, "", true));
    }
}
