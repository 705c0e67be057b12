//! gRPC callouts: one call, or a stream with messages each way. They belong to the root context, as
//! HTTP calls do.

use std::time::Duration;

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::callout::{CalloutKind, CalloutRequest, GrpcService};
use crate::headers::Headers;
use crate::memory::{HostResult, parts, serve, slice, write_u32};
use crate::pairs;
use crate::state::HostState;

type Span = (u32, u32);

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_grpc_call",
        |mut guest: Caller<'_, HostState>,
         service: u32,
         service_len: u32,
         name: u32,
         name_len: u32,
         method: u32,
         method_len: u32,
         metadata: u32,
         metadata_len: u32,
         message: u32,
         message_len: u32,
         timeout: u32,
         token_to: u32| {
            let target = [
                (service, service_len),
                (name, name_len),
                (method, method_len),
                (metadata, metadata_len),
            ];
            serve(&mut guest, "proxy_grpc_call", |guest| {
                call(guest, target, (message, message_len), timeout, token_to)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_stream",
        |mut guest: Caller<'_, HostState>,
         service: u32,
         service_len: u32,
         name: u32,
         name_len: u32,
         method: u32,
         method_len: u32,
         metadata: u32,
         metadata_len: u32,
         token_to: u32| {
            let target = [
                (service, service_len),
                (name, name_len),
                (method, method_len),
                (metadata, metadata_len),
            ];
            serve(&mut guest, "proxy_grpc_stream", |guest| stream(guest, target, token_to))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_send",
        |mut guest: Caller<'_, HostState>, token: u32, message: u32, len: u32, end_stream: u32| {
            serve(&mut guest, "proxy_grpc_send", |guest| {
                send(guest, token, (message, len), end_stream != 0)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_close",
        |mut guest: Caller<'_, HostState>, token: u32| {
            serve(&mut guest, "proxy_grpc_close", |guest| {
                end(guest, token, CalloutRequest::GrpcClose)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_cancel",
        |mut guest: Caller<'_, HostState>, token: u32| {
            serve(&mut guest, "proxy_grpc_cancel", |guest| {
                end(guest, token, CalloutRequest::GrpcCancel)
            })
        },
    )?;
    Ok(())
}

/// What a call and a stream begin with: where to, service, method, metadata.
struct Target {
    service: Bytes,
    service_name: String,
    method_name: String,
    initial_metadata: Headers,
}

fn target(memory: &[u8], state: &mut HostState, spans: [Span; 4]) -> HostResult<Target> {
    let [service, name, method, metadata] = spans;
    let service = Bytes::copy_from_slice(slice(memory, service.0, service.1)?);
    let service_name = String::from_utf8_lossy(slice(memory, name.0, name.1)?).into_owned();
    let method_name = String::from_utf8_lossy(slice(memory, method.0, method.1)?).into_owned();
    let pairs = pairs::decode(slice(memory, metadata.0, metadata.1)?).unwrap_or_default();
    state.note(|note| {
        note.arg("service", service.clone()).arg("service_name", service_name.as_str());
        note.arg("method_name", method_name.as_str()).arg("initial_metadata", &pairs[..])
    });
    Ok(Target { service, service_name, method_name, initial_metadata: Headers::request(pairs) })
}

fn known(state: &mut HostState, kind: CalloutKind, service: Bytes) -> Result<GrpcService, Status> {
    let service = GrpcService::parse(service)?;
    if state.host.clusters.has(&service.target) {
        return Ok(service);
    }
    // Plain text must name a cluster. With a message that names none Envoy begins a call, which
    // fails.
    if service.raw == service.target {
        return Err(Status::ParseFailure);
    }
    state.refuse_callout(kind);
    Err(Status::InternalFailure)
}

fn call(
    guest: Guest<'_, '_>,
    spans: [Span; 4],
    message: Span,
    timeout: u32,
    token_to: u32,
) -> HostResult {
    let (memory, state) = parts(guest)?;
    write_u32(memory, token_to, 0)?;
    let Target { service, service_name, method_name, initial_metadata } =
        target(memory, state, spans)?;
    let message = Bytes::copy_from_slice(slice(memory, message.0, message.1)?);
    state.note(|note| note.arg("message", message.clone()).arg("timeout", timeout));
    let service = known(state, CalloutKind::GrpcCall, service)?;
    let timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
    let request = CalloutRequest::GrpcCall {
        service,
        service_name,
        method_name,
        initial_metadata,
        message,
        timeout,
    };
    let token = state.start_callout(CalloutKind::GrpcCall, request)?;
    state.note(|note| note.ret("token", token));
    Ok(write_u32(memory, token_to, token)?)
}

fn stream(guest: Guest<'_, '_>, spans: [Span; 4], token_to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    write_u32(memory, token_to, 0)?;
    let Target { service, service_name, method_name, initial_metadata } =
        target(memory, state, spans)?;
    let service = known(state, CalloutKind::GrpcStream, service)?;
    let request =
        CalloutRequest::GrpcStream { service, service_name, method_name, initial_metadata };
    let token = state.start_callout(CalloutKind::GrpcStream, request)?;
    state.note(|note| note.ret("token", token));
    Ok(write_u32(memory, token_to, token)?)
}

fn send(guest: Guest<'_, '_>, token: u32, message: Span, end_stream: bool) -> HostResult {
    let (memory, state) = parts(guest)?;
    let message = Bytes::copy_from_slice(slice(memory, message.0, message.1)?);
    state.note(|note| {
        note.arg("token", token).arg("message", message.clone()).arg("end_stream", end_stream)
    });
    Ok(state.go_on_callout(token, CalloutRequest::GrpcSend { message, end_stream })?)
}

fn end(guest: Guest<'_, '_>, token: u32, request: CalloutRequest) -> HostResult {
    let state = guest.data_mut();
    state.note(|note| note.arg("token", token));
    Ok(state.go_on_callout(token, request)?)
}
