//! `proxy_http_call`. The call belongs to the root context, so that it outlives the stream that
//! made it; the request waits in the VM until the driver takes it.

use std::time::Duration;

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::callout::{CalloutKind, CalloutRequest};
use crate::headers::{HeaderScope, Headers};
use crate::memory::{HostResult, parts, serve, slice, write_u32};
use crate::pairs;
use crate::state::HostState;

type Span = (u32, u32);

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_http_call",
        |mut guest: Caller<'_, HostState>,
         cluster: u32,
         cluster_len: u32,
         headers: u32,
         headers_len: u32,
         body: u32,
         body_len: u32,
         trailers: u32,
         trailers_len: u32,
         timeout: i32,
         token_to: u32| {
            let spans = [
                (cluster, cluster_len),
                (headers, headers_len),
                (body, body_len),
                (trailers, trailers_len),
            ];
            serve(&mut guest, "proxy_http_call", |guest| http_call(guest, spans, timeout, token_to))
        },
    )?;
    Ok(())
}

fn http_call(guest: Guest<'_, '_>, spans: [Span; 4], timeout: i32, token_to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    // The place for the token is tried first: a call that was started must not be lost to its
    // guest.
    write_u32(memory, token_to, 0)?;
    let [cluster, headers, body, trailers] = spans;
    let cluster = String::from_utf8_lossy(slice(memory, cluster.0, cluster.1)?).into_owned();
    let headers = pairs::decode(slice(memory, headers.0, headers.1)?).unwrap_or_default();
    let body = slice(memory, body.0, body.1)?;
    let trailers = pairs::decode(slice(memory, trailers.0, trailers.1)?).unwrap_or_default();
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
