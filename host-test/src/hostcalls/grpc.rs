//! gRPC callouts: unary calls, and streams with messages in both directions. They belong to the
//! root context, as HTTP calls do.

use std::time::Duration;

use bytes::Bytes;

use super::definition::{Definition, family};
use crate::abi::Status;
use crate::callout::{CalloutKind, CalloutRequest, GrpcService};
use crate::headers::Headers;
use crate::memory::{Guest, HostcallResult, Span, parts, write_u32};
use crate::pairs;
use crate::state::HostState;
use crate::text::lossy;

pub(super) const FAMILY: &[Definition] = family! {
    proxy_grpc_call(
        service: u32, service_len: u32, name: u32, name_len: u32, method: u32, method_len: u32,
        metadata: u32, metadata_len: u32, message: u32, message_len: u32, timeout: u32,
        token_to: u32
    ) in V0_1_0..=V0_2_1
        => |guest| {
            let (service, name) = ((service, service_len), (name, name_len));
            let (method, metadata) = ((method, method_len), (metadata, metadata_len));
            let target = [service, name, method, metadata];
            call(guest, target, (message, message_len), timeout, token_to)
        };
    proxy_grpc_stream(
        service: u32, service_len: u32, name: u32, name_len: u32, method: u32, method_len: u32,
        metadata: u32, metadata_len: u32, token_to: u32
    ) in V0_1_0..=V0_2_1
        => |guest| {
            let (service, name) = ((service, service_len), (name, name_len));
            let (method, metadata) = ((method, method_len), (metadata, metadata_len));
            stream(guest, [service, name, method, metadata], token_to)
        };
    proxy_grpc_send(token: u32, message: u32, len: u32, end_stream: u32) in V0_1_0..=V0_2_1
        => |guest| send(guest, token, (message, len), end_stream != 0);
    proxy_grpc_close(token: u32) in V0_1_0..=V0_2_1
        => |guest| end(guest, token, CalloutRequest::GrpcClose);
    proxy_grpc_cancel(token: u32) in V0_1_0..=V0_2_1
        => |guest| end(guest, token, CalloutRequest::GrpcCancel);
};

/// What a call and a stream start with: the cluster, the service, the method and the metadata.
struct Target {
    service: Bytes,
    service_name: String,
    method_name: String,
    initial_metadata: Headers,
}

fn target(memory: &[u8], state: &mut HostState, spans: [Span; 4]) -> HostcallResult<Target> {
    let [service, name, method, metadata] = spans;
    let service = Bytes::copy_from_slice(state.read(memory, service)?);
    let service_name = lossy(state.read(memory, name)?);
    let method_name = lossy(state.read(memory, method)?);
    let pairs = pairs::decode(state.read(memory, metadata)?).unwrap_or_default();
    state.note(|note| {
        note.arg("service", service.clone()).arg("service_name", service_name.as_str());
        note.arg("method_name", method_name.as_str()).arg("initial_metadata", &pairs[..])
    });
    Ok(Target { service, service_name, method_name, initial_metadata: Headers::request(pairs) })
}

fn known_service(
    state: &mut HostState,
    kind: CalloutKind,
    service: Bytes,
) -> Result<GrpcService, Status> {
    let service = GrpcService::parse(service)?;
    if state.host.clusters.has(&service.target) {
        return Ok(service);
    }
    // As in Envoy: plain text must name a known cluster. For an encoded message with an unknown
    // cluster, Envoy starts a call that fails.
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
) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    write_u32(memory, token_to, 0)?;
    let Target { service, service_name, method_name, initial_metadata } =
        target(memory, state, spans)?;
    let message = Bytes::copy_from_slice(state.read(memory, message)?);
    state.note(|note| note.arg("message", message.clone()).arg("timeout", timeout));
    let service = known_service(state, CalloutKind::GrpcCall, service)?;
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

fn stream(guest: Guest<'_, '_>, spans: [Span; 4], token_to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    write_u32(memory, token_to, 0)?;
    let Target { service, service_name, method_name, initial_metadata } =
        target(memory, state, spans)?;
    let service = known_service(state, CalloutKind::GrpcStream, service)?;
    let request =
        CalloutRequest::GrpcStream { service, service_name, method_name, initial_metadata };
    let token = state.start_callout(CalloutKind::GrpcStream, request)?;
    state.note(|note| note.ret("token", token));
    Ok(write_u32(memory, token_to, token)?)
}

fn send(guest: Guest<'_, '_>, token: u32, message: Span, end_stream: bool) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let message = Bytes::copy_from_slice(state.read(memory, message)?);
    state.note(|note| {
        note.arg("token", token).arg("message", message.clone()).arg("end_stream", end_stream)
    });
    Ok(state.continue_callout(token, CalloutRequest::GrpcSend { message, end_stream })?)
}

fn end(guest: Guest<'_, '_>, token: u32, request: CalloutRequest) -> HostcallResult {
    let state = guest.data_mut();
    state.note(|note| note.arg("token", token));
    Ok(state.continue_callout(token, request)?)
}
