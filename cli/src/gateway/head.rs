//! Envoy's view of a request head: an ordered list of names and values as bytes, pseudo-headers first. It is built from an
//! [`http::Request`], shown to the filter, and turned back for the upstream. It judges what Envoy's codecs judge, nothing more.

use bytes::{Bytes, BytesMut};
use gatepost_host::HeaderScope;
use http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Version};

use super::authority::is_acceptable;
use super::hop::is_hop_by_hop;

/// A header's name, in lower case, and its value. A value is any bytes.
pub type Field = (Bytes, Bytes);

const METHOD: &[u8] = b":method";
const PATH: &[u8] = b":path";
const SCHEME: &[u8] = b":scheme";
const AUTHORITY: &[u8] = b":authority";

/// The head of one request, as an Envoy filter sees it. The name `host` means `:authority`, as in Envoy.
///
/// ```
/// use gatepost::gateway::RequestHead;
///
/// let mut head = RequestHead::new("GET", "a.example", "/");
/// head.append("env", "one");
/// head.set("Host", "b.example");
/// assert_eq!(head.authority(), b"b.example");
/// assert_eq!(head.get("env"), Some(&b"one"[..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    fields: Vec<Field>,
}

/// Why a client's head is refused before any filter sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// No Host and no `:authority`.
    #[error("the request names no host")]
    MissingHost,
    /// Bytes that no authority has.
    #[error("the request's host has bytes that no authority has")]
    InvalidAuthority,
}

/// Why a head cannot be sent on after the filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// A pseudo-header is gone.
    #[error("the filter removed {0}")]
    Removed(&'static str),
    /// A pseudo-header has a value that cannot be sent.
    #[error("the filter left {0} with a value that cannot be sent: {1:?}")]
    Pseudo(&'static str, Bytes),
    /// No header has such a name.
    #[error("the filter wrote a header whose name is none: {0:?}")]
    Name(Bytes),
    /// No header has such a value.
    #[error("the filter wrote a value that no header can have into {0:?}")]
    Value(Bytes),
}

/// A head that can be sent: every part is valid.
#[derive(Debug)]
pub(super) struct UpstreamHead {
    pub(super) method: Method,
    pub(super) scheme: Scheme,
    pub(super) path: PathAndQuery,
    pub(super) authority: HeaderValue,
    pub(super) headers: HeaderMap,
}

impl RequestHead {
    /// A head with its pseudo-headers only; the scheme is `http`.
    #[must_use]
    pub fn new(method: &str, authority: &str, path: &str) -> Self {
        let field = |name: &'static [u8], value: &str| (Bytes::from_static(name), Bytes::copy_from_slice(value.as_bytes()));
        Self { fields: vec![field(METHOD, method), field(PATH, path), field(SCHEME, "http"), field(AUTHORITY, authority)] }
    }

    /// Envoy's view of a head whose hop-by-hop headers are gone already.
    pub(super) fn from_parts(parts: &Parts) -> Result<Self, HeadError> {
        let authority = authority_of(parts)?;
        let path = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
        let headers = &parts.headers;
        let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let bytes = fields + path.len() + authority.len() + 64;
        // One allocation holds the whole head; the fields are slices of it.
        let mut arena = BytesMut::with_capacity(bytes);
        let mut keep = |value: &[u8]| {
            arena.extend_from_slice(value);
            arena.split().freeze()
        };
        let mut fields = Vec::with_capacity(headers.len() + 6);
        fields.push((Bytes::from_static(METHOD), keep(parts.method.as_str().as_bytes())));
        fields.push((Bytes::from_static(PATH), keep(path.as_bytes())));
        fields.push((Bytes::from_static(SCHEME), keep(scheme_of(parts))));
        fields.push((Bytes::from_static(AUTHORITY), keep(&authority)));
        for name in headers.keys().filter(|&name| name != HOST) {
            let mut values = headers.get_all(name).iter();
            match joint(name, parts.version) {
                Some(mark) if headers.get_all(name).iter().nth(1).is_some() => {
                    let values: Vec<&[u8]> = values.map(HeaderValue::as_bytes).collect();
                    fields.push((keep(name.as_str().as_bytes()), keep(&values.join(mark))));
                }
                _ => {
                    let Some(first) = values.next() else { continue };
                    let key = keep(name.as_str().as_bytes());
                    fields.push((key.clone(), keep(first.as_bytes())));
                    fields.extend(values.map(|value| (key.clone(), keep(value.as_bytes()))));
                }
            }
        }
        Ok(Self { fields })
    }

    /// Every header in order, pseudo-headers first.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Replaces every header, pseudo-headers included. Names must be in lower case.
    pub fn set_fields(&mut self, fields: Vec<Field>) {
        self.fields = fields;
    }

    /// The first value of a header.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = canonical(name.as_ref());
        self.fields.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value)
    }

    /// Every value of a header, in order.
    pub fn get_all(&self, name: impl AsRef<[u8]>) -> impl Iterator<Item = &[u8]> {
        let name = canonical(name.as_ref());
        self.fields.iter().filter(move |(key, _)| *key == name).map(|(_, value)| &**value)
    }

    /// Gives a header one value, in the place of its first, or at the end when it is new.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl Into<Bytes>) {
        let name = canonical(name.as_ref());
        let value = value.into();
        match self.fields.iter().position(|(key, _)| *key == name) {
            Some(first) => {
                let mut at = 0;
                self.fields.retain(|(key, _)| {
                    at += 1;
                    at - 1 <= first || *key != name
                });
                if let Some(field) = self.fields.get_mut(first) {
                    field.1 = value;
                }
            }
            None => self.fields.push((name, value)),
        }
    }

    /// Adds a value after those that are there.
    pub fn append(&mut self, name: impl AsRef<[u8]>, value: impl Into<Bytes>) {
        self.fields.push((canonical(name.as_ref()), value.into()));
    }

    /// Removes every value of a header, and says whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        let name = canonical(name.as_ref());
        let before = self.fields.len();
        self.fields.retain(|(key, _)| *key != name);
        self.fields.len() != before
    }

    /// `:method`, empty when it was removed.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        self.get(METHOD).unwrap_or_default()
    }

    /// `:path`, with its query; empty when it was removed.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.get(PATH).unwrap_or_default()
    }

    /// `:authority`, empty when it was removed.
    #[must_use]
    pub fn authority(&self) -> &[u8] {
        self.get(AUTHORITY).unwrap_or_default()
    }

    /// A field's value that outlives the head.
    pub(super) fn shared(&self, name: &[u8]) -> Bytes {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// The head as it can be sent.
    pub(super) fn into_upstream(self) -> Result<UpstreamHead, RewriteError> {
        let (mut method, mut scheme, mut path, mut authority) = (None, None, None, None);
        let mut headers = HeaderMap::with_capacity(self.fields.len());
        for (name, value) in self.fields {
            match &*name {
                METHOD => method = method.or(Some(value)),
                SCHEME => scheme = scheme.or(Some(value)),
                PATH => path = path.or(Some(value)),
                AUTHORITY | b"host" => authority = authority.or(Some(value)),
                name if is_hop_by_hop(name) => {}
                _ => {
                    let key = HeaderName::from_bytes(&name).map_err(|_| RewriteError::Name(name))?;
                    let value =
                        HeaderValue::from_maybe_shared(value).map_err(|_| RewriteError::Value(key.as_str().to_owned().into()))?;
                    // The map's own limit is far beyond what a filter may add, but is no reason to panic.
                    headers.try_append(&key, value).map_err(|_| RewriteError::Name(key.as_str().to_owned().into()))?;
                }
            }
        }
        let method = method.ok_or(RewriteError::Removed(":method"))?;
        let method = match Method::from_bytes(&method) {
            Ok(known) if known != Method::CONNECT => known,
            _ => return Err(RewriteError::Pseudo(":method", method)),
        };
        let path = path.ok_or(RewriteError::Removed(":path"))?;
        let path = match PathAndQuery::from_maybe_shared(path.clone()) {
            Ok(known) if path.starts_with(b"/") => known,
            _ => return Err(RewriteError::Pseudo(":path", path)),
        };
        let authority = authority.ok_or(RewriteError::Removed(":authority"))?;
        let authority =
            HeaderValue::from_maybe_shared(authority.clone()).map_err(|_| RewriteError::Pseudo(":authority", authority))?;
        let scheme = scheme.ok_or(RewriteError::Removed(":scheme"))?;
        let scheme = Scheme::try_from(&*scheme).map_err(|_| RewriteError::Pseudo(":scheme", scheme))?;
        Ok(UpstreamHead { method, scheme, path, authority, headers })
    }
}

/// Whether Envoy takes these headers for a gRPC request's: `application/grpc`, alone or with a `+` suffix.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    content_type.strip_prefix(b"application/grpc").is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

/// The authority of an absolute URI or `:authority`, else the Host lines joined with commas, empty ones left out.
fn authority_of(parts: &Parts) -> Result<Vec<u8>, HeadError> {
    let authority = match parts.uri.authority() {
        Some(authority) => without_user(authority.as_str(), parts.version).as_bytes().to_vec(),
        None => {
            let mut hosts: Vec<&[u8]> = parts.headers.get_all(HOST).iter().map(HeaderValue::as_bytes).collect();
            if hosts.is_empty() {
                return Err(HeadError::MissingHost);
            }
            hosts.retain(|host| !host.is_empty());
            hosts.join(&b","[..])
        }
    };
    if is_acceptable(&authority, parts.version) { Ok(authority) } else { Err(HeadError::InvalidAuthority) }
}

/// Envoy's HTTP/1.1 codec drops the user of an absolute target, and its HTTP/2 codec refuses one.
fn without_user(authority: &str, version: Version) -> &str {
    match authority.rsplit_once('@') {
        Some((_, host)) if version != Version::HTTP_2 => host,
        _ => authority,
    }
}

/// HTTP/2 says its scheme; for HTTP/1.1 Envoy takes `x-forwarded-proto`, which is trusted by the time a head is built.
fn scheme_of(parts: &Parts) -> &[u8] {
    match parts.uri.scheme_str() {
        Some(scheme) if parts.version == Version::HTTP_2 => scheme.as_bytes(),
        _ => match parts.headers.get("x-forwarded-proto") {
            Some(proto) if proto == "https" => b"https",
            _ => b"http",
        },
    }
}

/// What joins several lines of this header, if anything does. HTTP/2 may split a cookie; Envoy puts it together again.
fn joint(name: &HeaderName, version: Version) -> Option<&'static [u8]> {
    if name == COOKIE && version == Version::HTTP_2 {
        return Some(b"; ");
    }
    HeaderScope::Request.keeps_in_one_slot(name.as_str().as_bytes()).then_some(&b","[..])
}

fn canonical(name: &[u8]) -> Bytes {
    if name.eq_ignore_ascii_case(b"host") {
        return Bytes::from_static(AUTHORITY);
    }
    Bytes::from(name.to_ascii_lowercase())
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
