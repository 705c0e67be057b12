//! Attributes: what a guest may read of its stream, its plugin and the proxy, by a path. They are
//! Envoy's; the values are [`PropertyValue`]s.

use std::net::SocketAddr;

use bytes::Bytes;
use hashbrown::HashMap;

use crate::abi::{MapKind, Status};
use crate::grpc::status_of_http;
use crate::headers::Headers;
use crate::pairs;
use crate::plugin::Root;
use crate::property::PropertyValue;
use crate::stream::{Stream, StreamInfo};

/// Looks up a path in Envoy's order: attributes first, then what guests have set. A trailing zero
/// byte is ignored.
pub(crate) fn get(
    path: &[u8],
    stream: Option<&Stream>,
    root: Option<&Root>,
) -> Result<PropertyValue, Status> {
    let path = path.strip_suffix(b"\0").unwrap_or(path);
    if path.is_empty() {
        return Err(Status::SerializationFailure);
    }
    if let Some(stream) = stream
        && stream.info.read(|info| info.only_given_properties)
    {
        return stream.info.read(|info| given(info, path)).ok_or(Status::NotFound);
    }
    let (first, rest) = split(path);
    let found = match (first, rest) {
        (b"plugin_name", None) => root.map(|root| PropertyValue::text(&root.config.name)),
        (b"plugin_root_id", None) => {
            Some(PropertyValue::text(root.map_or("", |root| &root.config.root_id)))
        }
        (b"plugin_vm_id", None) => {
            Some(PropertyValue::text(root.map_or("", |root| &root.config.vm_id)))
        }
        (b"listener_direction", None) => {
            let direction =
                root.map(|root| root.config.listener_direction).filter(|direction| *direction != 0);
            direction.map(PropertyValue::Int)
        }
        _ => stream
            .and_then(|stream| stream.info.read(|info| of_stream(path, first, rest, stream, info))),
    };
    found.ok_or(if rest.is_none() && is_group(first, stream) {
        Status::SerializationFailure
    } else {
        Status::NotFound
    })
}

/// The first step of a path, and the steps after it, if there are any.
/// Whether a path names a group of attributes, which has no value with a byte form.
fn is_group(name: &[u8], stream: Option<&Stream>) -> bool {
    match name {
        b"xds" => true,
        b"request" | b"response" | b"connection" | b"upstream" | b"source" | b"destination"
        | b"filter_state" => stream.is_some(),
        // It is there when an upstream was chosen.
        b"upstream_filter_state" => stream.is_some_and(|stream| {
            let is_upstream = |(name, _): &(String, _)| name.starts_with("upstream.");
            stream.info.read(|info| info.properties.iter().any(is_upstream))
        }),
        _ => false,
    }
}

fn split(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match path.iter().position(|byte| *byte == 0) {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

fn of_stream(
    path: &[u8],
    first: &[u8],
    rest: Option<&[u8]>,
    stream: &Stream,
    info: &StreamInfo,
) -> Option<PropertyValue> {
    let given = || given(info, path);
    let known = match (first, rest) {
        (b"source", Some(field)) => peer(info.source, field),
        (b"destination", Some(field)) => peer(info.destination, field),
        (b"request", Some(field)) => request(field, stream, info),
        (b"response", Some(field)) => response(field, stream, info),
        (b"route_name", None) => Some(&info.route_name)
            .filter(|name| !name.is_empty())
            .cloned()
            .map(PropertyValue::Bytes),
        // As in Envoy: the whole of the route's dynamic metadata has no byte form, and is empty.
        (b"metadata", None) => Some(PropertyValue::Bytes(Bytes::new())),
        (b"xds", Some(b"route_name")) => Some(PropertyValue::Bytes(info.route_name.clone())),
        (b"cluster_name", None) | (b"xds", Some(b"cluster_name")) => {
            info.cluster_name.clone().map(PropertyValue::Bytes)
        }
        (b"filter_state", Some(field)) => {
            let (key, rest) = split(field);
            info.filter_state.get(key).filter(|_| rest.is_none()).cloned().map(PropertyValue::Bytes)
        }
        (key, None) => given()
            .or_else(|| info.filter_state.get_by_guest(key).cloned().map(PropertyValue::Bytes)),
        _ => None,
    };
    known.or_else(given)
}

/// Whether a path with dots and a path with zero bytes are the same.
fn given(info: &StreamInfo, path: &[u8]) -> Option<PropertyValue> {
    let mut properties = info.properties.iter();
    properties.find(|(name, _)| paths_eq(name, path)).map(|(_, value)| value.clone())
}

fn paths_eq(dotted: &str, path: &[u8]) -> bool {
    dotted.len() == path.len()
        && dotted.bytes().zip(path).all(|(a, b)| a == *b || (a == b'.' && *b == 0))
}

fn peer(address: Option<SocketAddr>, field: &[u8]) -> Option<PropertyValue> {
    let address = address?;
    match field {
        b"address" => Some(PropertyValue::text(&address.to_string())),
        b"port" => Some(PropertyValue::Int(address.port().into())),
        _ => None,
    }
}

fn request(field: &[u8], stream: &Stream, info: &StreamInfo) -> Option<PropertyValue> {
    let headers = stream.map(MapKind::RequestHeaders);
    let header =
        |name: &[u8]| headers?.get(name).map(Bytes::copy_from_slice).map(PropertyValue::Bytes);
    let size = || i64::try_from(info.request_bytes).unwrap_or(i64::MAX);
    match split(field) {
        (b"headers", Some(name)) => headers?.joined(name).map(PropertyValue::Bytes),
        (b"headers", None) => Some(all_headers(headers)),
        (b"path", None) => header(b":path"),
        (b"url_path", None) => {
            let path = headers?.get(":path")?;
            let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
            Some(PropertyValue::Bytes(Bytes::copy_from_slice(path)))
        }
        (b"query", None) => {
            let path = headers?.get(":path")?;
            let query = path.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
            let query = query.split(|byte| *byte == b'#').next().unwrap_or_default();
            Some(PropertyValue::Bytes(Bytes::copy_from_slice(query)))
        }
        (b"host", None) => header(b":authority"),
        (b"scheme", None) => header(b":scheme"),
        (b"method", None) => header(b":method"),
        (b"referer", None) => header(b"referer"),
        (b"useragent", None) => header(b"user-agent"),
        (b"id", None) => header(b"x-request-id"),
        (b"protocol", None) => info.protocol.map(PropertyValue::text),
        (b"time", None) => info
            .request_time_nanos
            .and_then(|nanos| i64::try_from(nanos).ok())
            .map(PropertyValue::Int),
        (b"duration", None) => info
            .request_duration_nanos
            .and_then(|nanos| i64::try_from(nanos).ok())
            .map(PropertyValue::Int),
        (b"headers_bytes", None) => Some(PropertyValue::Int(byte_size(headers))),
        (b"total_size", None) => {
            Some(PropertyValue::Int(byte_size(headers).saturating_add(size())))
        }
        (b"size", None) => match headers.and_then(|headers| headers.get("content-length")) {
            Some(length) => {
                std::str::from_utf8(length).ok()?.trim().parse().ok().map(PropertyValue::Int)
            }
            None => Some(PropertyValue::Int(size())),
        },
        _ => None,
    }
}

fn response(field: &[u8], stream: &Stream, info: &StreamInfo) -> Option<PropertyValue> {
    let (headers, trailers) =
        (stream.map(MapKind::ResponseHeaders), stream.map(MapKind::ResponseTrailers));
    let size = i64::try_from(info.response_bytes).unwrap_or(i64::MAX);
    match split(field) {
        (b"headers", Some(name)) => headers?.joined(name).map(PropertyValue::Bytes),
        (b"headers", None) => Some(all_headers(headers)),
        (b"trailers", None) => Some(all_headers(trailers)),
        (b"code_details", None) => Some(&info.response_code_details)
            .filter(|details| !details.is_empty())
            .cloned()
            .map(PropertyValue::Bytes),
        (b"flags", None) => {
            Some(PropertyValue::Int(i64::try_from(info.response_flags).unwrap_or(i64::MAX)))
        }
        (b"size", None) => Some(PropertyValue::Int(size)),
        (b"total_size", None) => Some(PropertyValue::Int(
            size.saturating_add(byte_size(headers)).saturating_add(byte_size(trailers)),
        )),
        (b"grpc_status", None) => grpc_status(headers, trailers, info).map(PropertyValue::Int),
        (b"code", None) if info.response_code.is_some() => {
            info.response_code.map(|code| PropertyValue::Int(code.into()))
        }
        (b"trailers", Some(name)) => {
            stream.map(MapKind::ResponseTrailers)?.joined(name).map(PropertyValue::Bytes)
        }
        (b"code", None) => {
            std::str::from_utf8(headers?.get(":status")?).ok()?.parse().ok().map(PropertyValue::Int)
        }
        (b"headers_bytes", None) => Some(PropertyValue::Int(byte_size(headers))),
        _ => None,
    }
}

/// The status that a gRPC client sees: the trailers', the headers', or the one that the HTTP status
/// is translated to.
fn grpc_status(
    headers: Option<&Headers>,
    trailers: Option<&Headers>,
    info: &StreamInfo,
) -> Option<i64> {
    let given = [trailers, headers].into_iter().find_map(|map| map?.get("grpc-status"));
    match given {
        Some(status) => std::str::from_utf8(status).ok()?.parse().ok(),
        None => info.response_code.map(|code| status_of_http(code).into()),
    }
}

/// All headers in the byte form of pairs, the values of each name joined.
fn all_headers(headers: Option<&Headers>) -> PropertyValue {
    // The names in the order of their first values.
    let (mut places, mut values) = (HashMap::new(), Vec::<(&[u8], Vec<u8>)>::new());
    for (name, value) in headers.into_iter().flat_map(Headers::iter) {
        let place = *places.entry(name).or_insert(values.len());
        match values.get_mut(place) {
            Some((_, joined)) => {
                joined.push(b',');
                joined.extend_from_slice(value);
            }
            None => values.push((name, value.to_vec())),
        }
    }
    PropertyValue::Bytes(pairs::encode_list(&values).into())
}

fn byte_size(headers: Option<&Headers>) -> i64 {
    headers.map_or(0, |headers| i64::try_from(headers.byte_size()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        let mut stream = Stream::default();
        stream.info.write(|info| {
            info.source = Some("[2001:db8::1]:4711".parse().unwrap());
            info.properties = vec![("connection.id".to_owned(), PropertyValue::Uint(9))];
            info.filter_state.set_by_guest(b"mine", b"v", 1000, false).unwrap();
        });
        let mut headers =
            Headers::request([(":path", "/a?b=c#d"), (":authority", "h"), ("x", "1"), ("x", "2")]);
        stream.swap_map(MapKind::RequestHeaders, &mut headers, true);
        stream
    }

    fn text(path: &str) -> Result<String, Status> {
        let stream = stream();
        let value = get(path.replace('.', "\0").as_bytes(), Some(&stream), None)?;
        Ok(String::from_utf8_lossy(&value.into_bytes()).into_owned())
    }

    #[test]
    fn an_address_is_written_with_its_port() {
        assert_eq!(text("source.address").unwrap(), "[2001:db8::1]:4711");
        assert_eq!(get(b"source\0port", Some(&stream()), None), Ok(PropertyValue::Int(4711)));
        assert_eq!(text("destination.address"), Err(Status::NotFound));
    }

    #[test]
    fn the_path_comes_whole_or_in_parts() {
        assert_eq!(text("request.path").unwrap(), "/a?b=c#d");
        assert_eq!(text("request.url_path").unwrap(), "/a");
        assert_eq!(text("request.query").unwrap(), "b=c");
    }

    #[test]
    fn repeated_headers_are_joined_in_the_property() {
        assert_eq!(text("request.headers.x").unwrap(), "1,2");
        assert_eq!(text("request.headers.none"), Err(Status::NotFound));
    }

    #[test]
    fn what_a_guest_set_is_found_by_its_name_and_in_the_filter_state() {
        assert_eq!(text("mine").unwrap(), "v");
        assert_eq!(
            get(b"filter_state\0wasm.mine", Some(&stream()), None),
            Ok(PropertyValue::text("v"))
        );
        assert_eq!(text("other"), Err(Status::NotFound));
    }

    #[test]
    fn given_properties_answer_what_the_host_does_not_know() {
        assert_eq!(get(b"connection\0id\0", Some(&stream()), None), Ok(PropertyValue::Uint(9)));
    }

    #[test]
    fn an_empty_path_has_no_value() {
        assert_eq!(get(b"", None, None), Err(Status::SerializationFailure));
    }

    #[test]
    fn the_request_is_unknown_outside_its_callbacks() {
        let mut stream = stream();
        stream.lent = 0;
        assert_eq!(get(b"request\0path", Some(&stream), None), Err(Status::NotFound));
    }
}
