//! What a guest does to the stream itself: answer it, let it go on, close it, have its route chosen
//! anew. These are noted on the stream; the driver reads them when the callback has ended.

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::{AbiVersion, Status, StreamKind};
use crate::effect::Text;
use crate::headers::lower_case;
use crate::memory::{HostResult, parts, serve, slice};
use crate::pairs;
use crate::state::HostState;
use crate::stream::{LocalReply, Stream};

pub(super) fn link(linker: &mut Linker<HostState>, abi: AbiVersion) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |mut guest: Caller<'_, HostState>,
         status: u32,
         details: u32,
         details_len: u32,
         body: u32,
         body_len: u32,
         headers: u32,
         headers_len: u32,
         grpc_status: u32| {
            let spans = Spans {
                details: (details, details_len),
                body: (body, body_len),
                headers: (headers, headers_len),
            };
            serve(&mut guest, "proxy_send_local_response", |guest| {
                send_local_response(guest, status, &spans, grpc_status)
            })
        },
    )?;
    if abi == AbiVersion::V0_1_0 {
        linker.func_wrap("env", "proxy_continue_request", |mut guest: Caller<'_, HostState>| {
            serve(&mut guest, "proxy_continue_request", |guest| {
                continue_stream(guest, StreamKind::HttpRequest as u32)
            })
        })?;
        linker.func_wrap(
            "env",
            "proxy_continue_response",
            |mut guest: Caller<'_, HostState>| {
                serve(&mut guest, "proxy_continue_response", |guest| {
                    continue_stream(guest, StreamKind::HttpResponse as u32)
                })
            },
        )?;
        linker.func_wrap(
            "env",
            "proxy_clear_route_cache",
            |mut guest: Caller<'_, HostState>| {
                clear_route_cache(guest.data_mut());
                Status::Ok.code()
            },
        )?;
    } else {
        linker.func_wrap(
            "env",
            "proxy_continue_stream",
            |mut guest: Caller<'_, HostState>, stream: u32| {
                serve(&mut guest, "proxy_continue_stream", |guest| continue_stream(guest, stream))
            },
        )?;
        linker.func_wrap(
            "env",
            "proxy_close_stream",
            |mut guest: Caller<'_, HostState>, stream: u32| {
                serve(&mut guest, "proxy_close_stream", |guest| close_stream(guest, stream))
            },
        )?;
    }
    Ok(())
}

struct Spans {
    details: (u32, u32),
    body: (u32, u32),
    headers: (u32, u32),
}

fn send_local_response(
    guest: Guest<'_, '_>,
    status: u32,
    spans: &Spans,
    grpc_status: u32,
) -> HostResult {
    let (memory, state) = parts(guest)?;
    let details = slice(memory, spans.details.0, spans.details.1)?;
    let body = slice(memory, spans.body.0, spans.body.1)?;
    // Envoy takes malformed pairs for none; here nothing is lost by it but the headers.
    let headers =
        pairs::decode(slice(memory, spans.headers.0, spans.headers.1)?).unwrap_or_default();
    let reply = LocalReply {
        status,
        details: Text(
            details
                .iter()
                .map(|byte| if byte.is_ascii_whitespace() { b'_' } else { *byte })
                .collect::<Bytes>(),
        ),
        headers: headers
            .iter()
            .map(|(name, value)| (Text(lower_case(name)), Text::copy(value)))
            .collect(),
        body: Text::copy(body),
        grpc_status: (grpc_status <= 16).then_some(grpc_status),
    };
    state.note(|note| {
        note.arg("status", status)
            .arg("details", details)
            .arg("body", body)
            .arg("headers", &headers[..]);
        note.arg("grpc_status", reply.grpc_status.map_or(-1, i64::from))
    });
    // Outside a stream there is nobody to answer; Envoy says Ok and so does this. The first of two
    // replies is sent.
    if let Some(stream) = state.touch() {
        stream.local_reply.get_or_insert_with(|| Box::new(reply));
    }
    Ok(())
}

fn continue_stream(guest: Guest<'_, '_>, stream: u32) -> HostResult {
    let kind = StreamKind::from_code(stream).ok_or(Status::BadArgument)?;
    let state = guest.data_mut();
    state.note(|note| note.arg("stream", kind));
    // A connection cannot be continued, as in Envoy: it goes on with its next data.
    if matches!(kind, StreamKind::Downstream | StreamKind::Upstream) {
        return Ok(());
    }
    if let Some(stream) = state.touch() {
        Stream::note(&mut stream.continued, kind);
        // Envoy lets go of the request's map and body with the call, whichever half goes on.
        stream.hide_request();
    }
    Ok(())
}

fn close_stream(guest: Guest<'_, '_>, stream: u32) -> HostResult {
    let kind = StreamKind::from_code(stream).ok_or(Status::BadArgument)?;
    let state = guest.data_mut();
    state.note(|note| note.arg("stream", kind));
    if let Some(stream) = state.touch() {
        Stream::note(&mut stream.closed, kind);
    }
    Ok(())
}

pub(super) fn clear_route_cache(state: &mut HostState) {
    if let Some(stream) = state.stream_mut() {
        stream.route_cache_cleared = true;
    }
}
