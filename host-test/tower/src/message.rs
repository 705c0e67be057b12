//! Heads of messages, from the types of `http` to the header maps that guests see and back, as
//! Envoy shows them: pseudo-headers, `Host` as `:authority`, and nothing that belongs to one
//! connection only. Guests can make a head that `http` cannot hold: that is an [`Unfit`] error, not
//! a panic.

#[cfg(test)]
mod tests;

use bytes::BytesMut;
use gatepost_host::{HeaderScope, Headers};
use http::header::{
    CONNECTION, COOKIE, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Extensions, HeaderMap, Method, StatusCode, Version};

use crate::connection::ConnectionInfo;

/// Why a head cannot be sent, in the words of Envoy's codecs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("missing required header: {0}")]
    Missing(&'static str),
    #[error("invalid header name: {0}")]
    Name(String),
    #[error("invalid header value for: {0}")]
    Value(String),
    #[error("too many headers")]
    TooMany,
}

/// The part of a request's head that guests do not see, and the form of the rest.
#[derive(Debug)]
pub(crate) struct RequestKept {
    uri: Uri,
    version: Version,
    extensions: Extensions,
    /// Headers of the connection, which Envoy's guests do not see.
    beside: HeaderMap,
    has_host: bool,
}

/// A request's head as guests see it, and the rest.
pub(crate) fn request_in(head: http::request::Parts) -> (Headers, RequestKept) {
    let http::request::Parts { method, uri, version, headers: fields, extensions, .. } = head;
    let target = uri.authority().map_or(0, |authority| authority.as_str().len())
        + uri.path().len()
        + uri.query().map_or(0, str::len);
    let mut headers = room_for(HeaderScope::Request, &fields, 4, 48 + target);
    headers.add(":method", method.as_str());
    let has_host = fields.contains_key(HOST);
    match uri.authority() {
        Some(authority) => headers.add(":authority", authority.as_str()),
        None => hosts(&fields).for_each(|host| headers.add(":authority", host)),
    }
    let is_tunnel = method == Method::CONNECT && uri.path_and_query().is_none();
    if !is_tunnel {
        let known = extensions.get::<ConnectionInfo>().and_then(|info| info.scheme.as_ref());
        headers.add(":scheme", uri.scheme().or(known).map_or("http", Scheme::as_str));
        headers.add(":path", uri.path_and_query().map_or("/", PathAndQuery::as_str));
    }
    let mut beside = HeaderMap::new();
    let upgrades = is_upgrade(&fields);
    let cookie = whole_cookie(&fields, version);
    for (name, value) in &fields {
        if *name == COOKIE && cookie.is_some() {
            continue;
        }
        let is_te = name == TE && !value.as_bytes().eq_ignore_ascii_case(b"trailers");
        if is_te || is_of_connection(name, upgrades) {
            beside.append(name.clone(), value.clone());
        } else if name != HOST {
            headers.add(name, value);
        }
    }
    // Envoy's codec adds the cookie last.
    if let Some(cookie) = cookie {
        headers.add("cookie", cookie);
    }
    (headers, RequestKept { uri, version, extensions, beside, has_host })
}

/// A map with room for these fields, for `more` others, and for `bytes` of text: a map that grows
/// allocates at each step.
fn room_for(scope: HeaderScope, fields: &HeaderMap, more: usize, bytes: usize) -> Headers {
    let size = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    Headers::with_capacity(scope, fields.len() + more, size + bytes)
}

/// The `Host` lines. Of several, those that are empty are left out, as Envoy's codec does.
fn hosts(fields: &HeaderMap) -> impl Iterator<Item = &HeaderValue> {
    let is_only = fields.get_all(HOST).iter().nth(1).is_none();
    fields.get_all(HOST).iter().filter(move |host| is_only || !host.is_empty())
}

/// A cookie of HTTP/2, which may come in crumbs (RFC 9113, section 8.2.3), put together again.
fn whole_cookie(fields: &HeaderMap, version: Version) -> Option<Vec<u8>> {
    let is_there = version == Version::HTTP_2 && fields.contains_key(COOKIE);
    is_there.then(|| {
        fields
            .get_all(COOKIE)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect::<Vec<_>>()
            .join(&b"; "[..])
    })
}

/// A request's head after the guests' changes.
pub(crate) fn request_out(
    headers: &Headers,
    kept: RequestKept,
) -> Result<http::request::Parts, Unfit> {
    let RequestKept { uri, version, extensions, beside, has_host } = kept;
    let method = headers.get(":method").ok_or(Unfit::Missing(":method"))?;
    let method = Method::from_bytes(method).map_err(|_| Unfit::Value(":method".to_owned()))?;
    let authority = headers.get(":authority");
    let writes_host = has_host || version < Version::HTTP_2 || uri.authority().is_none();
    let uri = uri_out(headers, &method, authority, uri)?;
    let mut fields = fields_for(headers.len() + beside.len())?;
    if let Some(authority) = authority.filter(|_| writes_host) {
        let host = HeaderValue::from_bytes(authority)
            .map_err(|_| Unfit::Value(":authority".to_owned()))?;
        append(&mut fields, HOST, host)?;
    }
    fields_out(headers, &mut fields)?;
    pass_beside(&mut fields, beside)?;
    let (mut head, ()) = http::Request::new(()).into_parts();
    (head.method, head.uri, head.version, head.headers, head.extensions) =
        (method, uri, version, fields, extensions);
    Ok(head)
}

/// The head of a request that a guest started: its URI has the scheme and the authority, too.
pub(crate) fn outgoing(headers: &Headers, version: Version) -> Result<http::request::Parts, Unfit> {
    let kept = RequestKept {
        uri: Uri::from_static("http://cluster/"),
        // In HTTP/2 the authority is in the URI, and in no header.
        version: Version::HTTP_2,
        extensions: Extensions::new(),
        beside: HeaderMap::new(),
        has_host: false,
    };
    let mut head = request_out(headers, kept)?;
    head.version = version;
    Ok(head)
}

/// The URI in the form that the request had: an origin form stays an origin form, whatever the
/// authority.
fn uri_out(
    headers: &Headers,
    method: &Method,
    authority: Option<&[u8]>,
    before: Uri,
) -> Result<Uri, Unfit> {
    let invalid = |name: &str| Unfit::Value(name.to_owned());
    let path = headers.get(":path");
    if path.is_none() && *method != Method::CONNECT {
        return Err(Unfit::Missing(":path"));
    }
    let had_path = before.path_and_query().map(PathAndQuery::as_str);
    let same_path =
        path == had_path.map(str::as_bytes) || (had_path.is_none() && path == Some(b"/"));
    let same_authority =
        before.authority().is_none_or(|had| Some(had.as_str().as_bytes()) == authority);
    let same_scheme =
        before.scheme().is_none_or(|had| Some(had.as_str().as_bytes()) == headers.get(":scheme"));
    if same_path && same_authority && same_scheme {
        return Ok(before);
    }
    let path =
        path.map(|path| PathAndQuery::try_from(path).map_err(|_| invalid(":path"))).transpose()?;
    let is_absolute = before.authority().is_some() || path.is_none();
    let authority = authority.filter(|_| is_absolute);
    let authority = authority
        .map(|text| Authority::try_from(text).map_err(|_| invalid(":authority")))
        .transpose()?;
    let mut parts = http::uri::Parts::default();
    if path.is_some() && authority.is_some() {
        let scheme = headers.get(":scheme").unwrap_or(b"http");
        parts.scheme = Some(Scheme::try_from(scheme).map_err(|_| invalid(":scheme"))?);
    }
    (parts.authority, parts.path_and_query) = (authority, path);
    Uri::from_parts(parts).map_err(|_| invalid(":path"))
}

/// The part of a response's head that guests do not see.
#[derive(Debug, Default)]
pub(crate) struct ResponseKept {
    version: Version,
    extensions: Extensions,
    beside: HeaderMap,
}

/// A response's head as guests see it, and the rest. `length` is the length of its body where that
/// is known: under a proxy guests find it in `content-length`.
pub(crate) fn response_in(
    head: http::response::Parts,
    length: Option<u64>,
) -> (Headers, ResponseKept) {
    let http::response::Parts { status, version, headers: fields, extensions, .. } = head;
    let mut headers = room_for(HeaderScope::Response, &fields, 2, 40);
    headers.add(":status", status.as_str());
    let mut beside = HeaderMap::new();
    let upgrades = is_upgrade(&fields);
    let has_length =
        fields.contains_key(http::header::CONTENT_LENGTH) || fields.contains_key(TRANSFER_ENCODING);
    for (name, value) in &fields {
        if is_of_connection(name, upgrades) {
            beside.append(name.clone(), value.clone());
        } else {
            headers.add(name, value);
        }
    }
    if let Some(length) = length.filter(|_| !has_length) {
        headers.add("content-length", length.to_string());
    }
    (headers, ResponseKept { version, extensions, beside })
}

/// A response's head after the guests' changes.
pub(crate) fn response_out(
    headers: &Headers,
    kept: ResponseKept,
) -> Result<http::response::Parts, Unfit> {
    let ResponseKept { version, extensions, beside } = kept;
    let status = headers.get(":status").ok_or(Unfit::Missing(":status"))?;
    // After an interim response no other could be sent here, so a guest cannot make one.
    let is_final = |status: &StatusCode| {
        !status.is_informational() || *status == StatusCode::SWITCHING_PROTOCOLS
    };
    let status = StatusCode::from_bytes(status)
        .ok()
        .filter(is_final)
        .ok_or_else(|| Unfit::Value(":status".to_owned()))?;
    let mut fields = fields_for(headers.len() + beside.len())?;
    fields_out(headers, &mut fields)?;
    pass_beside(&mut fields, beside)?;
    let (mut head, ()) = http::Response::new(()).into_parts();
    (head.status, head.version, head.headers, head.extensions) =
        (status, version, fields, extensions);
    Ok(head)
}

/// Fields without pseudo-headers, as guests see them: trailers.
pub(crate) fn headers_in(scope: HeaderScope, fields: &HeaderMap) -> Headers {
    Headers::collect(scope, fields)
}

/// Trailers after the guests' changes.
pub(crate) fn trailers_out(headers: &Headers) -> Result<HeaderMap, Unfit> {
    let mut fields = fields_for(headers.len())?;
    fields_out(headers, &mut fields)?;
    Ok(fields)
}

/// Adds everything but pseudo-headers: a codec writes none that it does not know.
fn fields_out(headers: &Headers, fields: &mut HeaderMap) -> Result<(), Unfit> {
    let is_ordinary = |(name, _): &(&[u8], &[u8])| name.first() != Some(&b':');
    // The values are parts of one buffer, so that each needs no memory of its own.
    let mut values = BytesMut::with_capacity(headers.byte_size());
    headers.iter().filter(is_ordinary).for_each(|(_, value)| values.extend_from_slice(value));
    let mut values = values.freeze();
    for (name, value) in headers.iter().filter(is_ordinary) {
        let value = HeaderValue::from_maybe_shared(values.split_to(value.len()));
        let value = value.map_err(|_| Unfit::Value(name.escape_ascii().to_string()))?;
        let name = HeaderName::from_bytes(name)
            .map_err(|_| Unfit::Name(name.escape_ascii().to_string()))?;
        append(fields, name, value)?;
    }
    Ok(())
}

/// A map with room for that many headers, unless they are too many for it.
fn fields_for(headers: usize) -> Result<HeaderMap, Unfit> {
    HeaderMap::try_with_capacity(headers).map_err(|_| Unfit::TooMany)
}

fn append(fields: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), Unfit> {
    fields.try_append(name, value).map(|_| ()).map_err(|_| Unfit::TooMany)
}

/// Puts the connection's headers back, except names to which a guest gave a value.
fn pass_beside(fields: &mut HeaderMap, beside: HeaderMap) -> Result<(), Unfit> {
    if beside.is_empty() {
        return Ok(());
    }
    let taken: Vec<HeaderName> =
        beside.keys().filter(|name| fields.contains_key(*name)).cloned().collect();
    for (name, value) in beside.iter().filter(|(name, _)| !taken.contains(name)) {
        append(fields, name.clone(), value.clone())?;
    }
    Ok(())
}

/// Whether a head asks for, or accepts, another protocol on its connection. Envoy's guests see its
/// `connection` and `upgrade` headers.
fn is_upgrade(fields: &HeaderMap) -> bool {
    let names_upgrade = |value: &HeaderValue| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    };
    fields.contains_key(UPGRADE) && fields.get_all(CONNECTION).iter().any(names_upgrade)
}

fn is_of_connection(name: &HeaderName, upgrades: bool) -> bool {
    match name.as_str() {
        "connection" | "upgrade" => !upgrades,
        "keep-alive" | "proxy-connection" | "transfer-encoding" => true,
        _ => false,
    }
}
