//! What a guest asks for on a stream: a local reply, to continue it, to close it, to clear its
//! route cache. The hostcalls store that on the stream, and the driver reads it after the callback.

use bytes::Bytes;

use super::definition::{Definition, family};
use crate::abi::{Status, StreamKind};
use crate::headers::lower_case;
use crate::memory::{Guest, HostcallResult, Span, parts};
use crate::outcome::LocalReply;
use crate::pairs;
use crate::profile::Profile;
use crate::stream::Stream;
use crate::text::Text;

pub(super) const FAMILY: &[Definition] = family! {
    proxy_send_local_response(
        status: u32, details: u32, details_len: u32, body: u32, body_len: u32,
        headers: u32, headers_len: u32, grpc_status: u32
    ) in V0_1_0..=V0_2_1
        => |guest| {
            let spans = [(details, details_len), (body, body_len), (headers, headers_len)];
            send_local_response(guest, status, spans, grpc_status)
        };
    proxy_continue_stream(stream: u32) in V0_2_0..=V0_2_1
        => |guest| continue_stream(guest, stream);
    proxy_close_stream(stream: u32) in V0_2_0..=V0_2_1
        => |guest| close_stream(guest, stream);
    proxy_continue_request() in V0_1_0..=V0_1_0
        => |guest| continue_stream(guest, StreamKind::HttpRequest as u32);
    proxy_continue_response() in V0_1_0..=V0_1_0
        => |guest| continue_stream(guest, StreamKind::HttpResponse as u32);
    proxy_clear_route_cache() in V0_1_0..=V0_1_0
        => clear_route_cache;
};

fn send_local_response(
    guest: Guest<'_, '_>,
    status: u32,
    spans: [Span; 3],
    grpc_status: u32,
) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let [details, body, headers] = spans;
    let details = state.read(memory, details)?;
    let body = state.read(memory, body)?;
    // As in Envoy: malformed pairs are an empty list.
    let headers = pairs::decode(state.read(memory, headers)?).unwrap_or_default();
    let in_tester = state.profile == Profile::Gcp;
    if in_tester && state.contexts.stream().is_some_and(|stream| !stream.may_reply) {
        return Err(Status::BadArgument.into());
    }
    let spelled =
        |name: &[u8]| if in_tester { Bytes::copy_from_slice(name) } else { lower_case(name) };
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
            .map(|(name, value)| (Text(spelled(name)), Text::copy(value)))
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
    // As in Envoy: `Ok` outside a stream, where nothing can be answered. Of two replies the first
    // is sent.
    Ok(state.contexts.reply(reply, state.limits.body_bytes)?)
}

fn continue_stream(guest: Guest<'_, '_>, stream: u32) -> HostcallResult {
    let kind = StreamKind::from_code(stream).ok_or(Status::BadArgument)?;
    let state = guest.data_mut();
    state.note(|note| note.arg("stream", kind));
    // As in Envoy, this does not continue a connection: it continues with its next data.
    if matches!(kind, StreamKind::Downstream | StreamKind::Upstream) {
        return Ok(());
    }
    if let Some(stream) = state.contexts.touch() {
        Stream::note(&mut stream.continued, kind);
        // As in Envoy: after the call the guest cannot read the request, whichever direction
        // continues.
        stream.hide_request();
    }
    Ok(())
}

fn close_stream(guest: Guest<'_, '_>, stream: u32) -> HostcallResult {
    let kind = StreamKind::from_code(stream).ok_or(Status::BadArgument)?;
    let state = guest.data_mut();
    state.note(|note| note.arg("stream", kind));
    if let Some(stream) = state.contexts.touch() {
        Stream::note(&mut stream.closed, kind);
    }
    Ok(())
}

fn clear_route_cache(guest: Guest<'_, '_>) -> HostcallResult {
    if let Some(stream) = guest.data_mut().contexts.stream_mut() {
        stream.route_cache_cleared = true;
    }
    Ok(())
}
