//! `proxy_http_call`. The call belongs to the root context, so it can outlive the stream that made
//! it. The request waits in the VM until the driver takes it.

use std::time::Duration;

use bytes::Bytes;

use super::definition::{Definition, family};
use crate::abi::Status;
use crate::callout::{CalloutKind, CalloutRequest};
use crate::headers::{HeaderScope, Headers};
use crate::memory::{Guest, HostcallResult, Span, parts, write_u32};
use crate::pairs;
use crate::text::lossy;

pub(super) const FAMILY: &[Definition] = family! {
    proxy_http_call(
        cluster: u32, cluster_len: u32, headers: u32, headers_len: u32, body: u32, body_len: u32,
        trailers: u32, trailers_len: u32, timeout: i32, token_to: u32
    ) in V0_1_0..=V0_2_1
        => |guest| {
            let (cluster, headers) = ((cluster, cluster_len), (headers, headers_len));
            let (body, trailers) = ((body, body_len), (trailers, trailers_len));
            http_call(guest, [cluster, headers, body, trailers], timeout, token_to)
        };
};

fn http_call(
    guest: Guest<'_, '_>,
    spans: [Span; 4],
    timeout: i32,
    token_to: u32,
) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    // Written first: if the pointer is wrong, no call is started whose token the guest never gets.
    write_u32(memory, token_to, 0)?;
    let [cluster, headers, body, trailers] = spans;
    let cluster = lossy(state.read(memory, cluster)?);
    let headers = pairs::decode(state.read(memory, headers)?).unwrap_or_default();
    let body = state.read(memory, body)?;
    let trailers = pairs::decode(state.read(memory, trailers)?).unwrap_or_default();
    state.note(|note| {
        note.arg("cluster", cluster.as_str()).arg("headers", &headers[..]).arg("body", body);
        note.arg("trailers", &trailers[..]).arg("timeout", i64::from(timeout))
    });
    let mut headers = Headers::request(headers);
    let complete =
        [":path", ":method", ":authority"].iter().all(|name| headers.get(name).is_some());
    if timeout < 0 || !state.host.clusters.has(&cluster) || !complete {
        return Err(Status::BadArgument.into());
    }
    if !body.is_empty() {
        headers.replace("content-length", body.len().to_string());
    }
    let request = CalloutRequest::Http {
        cluster,
        headers,
        body: Bytes::copy_from_slice(body),
        trailers: Headers::collect(HeaderScope::RequestTrailers, trailers),
        timeout: (timeout > 0).then(|| Duration::from_millis(timeout.unsigned_abs().into())),
    };
    let token = state.start_callout(CalloutKind::Http, request)?;
    state.note(|note| note.ret("token", token));
    Ok(write_u32(memory, token_to, token)?)
}
