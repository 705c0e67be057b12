//! One callout: the guest's call becomes a request, and the response becomes answers to the guest,
//! as Envoy's HTTP and gRPC clients give them.

use std::borrow::Cow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gatepost_host::{CalloutAnswer, CalloutId, CalloutKind, CalloutRequest, HeaderScope, Headers};
use http::header::{CONTENT_TYPE, HeaderValue, TE};
use http::{HeaderMap, Version};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::mpsc;

use crate::body::BoxError;
use crate::callout::{CalloutBody, CalloutError, CalloutResponse, Callouts, Outgoing};
use crate::grpc;
use crate::message::{Unfit, headers_in, outgoing, response_in, trailers_out};
use crate::pooled_worker::PooledWorker;

/// gRPC's `INTERNAL`, `UNAVAILABLE`, and `UNKNOWN` for a response without a status.
const INTERNAL: u32 = 13;
const UNAVAILABLE: u32 = 14;
const UNKNOWN: u32 = 2;

/// The guest's call to which the answers go. When its worker is gone, they go nowhere.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) worker: Weak<PooledWorker>,
    pub(crate) id: CalloutId,
    /// How many bytes an answer, or one message of it, may have.
    pub(crate) max_bytes: usize,
}

impl Caller {
    pub(crate) fn answer(&self, answer: CalloutAnswer) {
        if let Some(worker) = self.worker.upgrade() {
            worker.answer(self.id, answer);
        }
    }

    fn close(&self, status: u32, message: &str) {
        self.answer(CalloutAnswer::GrpcClose { status, message: message.to_owned() });
    }
}

/// Fails the call when sending it panics, so that its guest does not wait for ever.
struct OnPanic(Caller);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.answer(CalloutAnswer::Failed);
        }
    }
}

/// Sends a callout and gives its guest the answers. `messages` has what the guest sends on a gRPC
/// stream later.
pub(crate) async fn run(
    caller: Caller,
    callouts: Arc<dyn Callouts>,
    request: CalloutRequest,
    messages: mpsc::Receiver<Outgoing>,
) {
    let _on_panic = OnPanic(caller.clone());
    match request {
        CalloutRequest::Http { cluster, headers, body, trailers, .. } => {
            let answer = match http_request(&headers, body, &trailers) {
                Ok(request) => {
                    http_answer(
                        callouts.send(&cluster, CalloutKind::Http, request).await,
                        caller.max_bytes,
                    )
                    .await
                }
                Err(_) => CalloutAnswer::reset("protocol error"),
            };
            caller.answer(answer);
        }
        CalloutRequest::GrpcCall {
            service,
            service_name,
            method_name,
            initial_metadata,
            message,
            timeout,
        } => {
            let body = CalloutBody::whole(grpc::frame(&message), None);
            let called = Called {
                cluster: &service.target,
                service: &service_name,
                method: &method_name,
                timeout,
            };
            let mut call = Grpc { caller, kind: CalloutKind::GrpcCall, message: None };
            call.run(callouts, called, &initial_metadata, body).await;
        }
        CalloutRequest::GrpcStream { service, service_name, method_name, initial_metadata } => {
            let body = CalloutBody::stream(messages);
            let called = Called {
                cluster: &service.target,
                service: &service_name,
                method: &method_name,
                timeout: None,
            };
            let mut stream = Grpc { caller, kind: CalloutKind::GrpcStream, message: None };
            stream.run(callouts, called, &initial_metadata, body).await;
        }
        CalloutRequest::GrpcSend { .. }
        | CalloutRequest::GrpcClose
        | CalloutRequest::GrpcCancel => {}
    }
}

fn http_request(
    headers: &Headers,
    body: Bytes,
    trailers: &Headers,
) -> Result<http::Request<CalloutBody>, Unfit> {
    let trailers = trailers_out(trailers)?;
    let head = outgoing(headers, Version::HTTP_11)?;
    Ok(http::Request::from_parts(head, CalloutBody::whole(body, Some(trailers))))
}

async fn http_answer(
    response: Result<CalloutResponse, CalloutError>,
    max_bytes: usize,
) -> CalloutAnswer {
    let response = match response {
        Ok(response) => response,
        Err(CalloutError::Unreachable) => return CalloutAnswer::unreachable(),
        Err(CalloutError::Reset(reason)) => return CalloutAnswer::reset(&reason),
    };
    let (head, body) = response.into_parts();
    let (headers, _) = response_in(head, None);
    match whole(body, max_bytes).await {
        Some((body, trailers)) => CalloutAnswer::Http {
            headers,
            body,
            trailers: headers_in(HeaderScope::ResponseTrailers, &trailers),
        },
        None => CalloutAnswer::Failed,
    }
}

/// A body and its trailers; `None` when it fails or is too long.
async fn whole(
    mut body: UnsyncBoxBody<Bytes, BoxError>,
    max_bytes: usize,
) -> Option<(Bytes, HeaderMap)> {
    let (mut data, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while let Some(frame) = body.frame().await {
        match frame.ok()?.into_data() {
            Ok(more) if data.len().saturating_add(more.len()) > max_bytes => return None,
            Ok(more) => data.extend_from_slice(&more),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Some((data.freeze(), trailers))
}

/// The method that a gRPC call is to.
struct Called<'a> {
    cluster: &'a str,
    service: &'a str,
    method: &'a str,
    timeout: Option<Duration>,
}

struct Grpc {
    caller: Caller,
    kind: CalloutKind,
    /// The answer to a call, given to the guest when the status is OK.
    message: Option<Bytes>,
}

impl Grpc {
    async fn run(
        &mut self,
        callouts: Arc<dyn Callouts>,
        called: Called<'_>,
        metadata: &Headers,
        body: CalloutBody,
    ) {
        let Ok(request) = grpc_request(&called, metadata, body) else {
            return self.caller.close(INTERNAL, "the call's path or metadata cannot be sent");
        };
        match callouts.send(called.cluster, self.kind, request).await {
            Ok(response) => self.read(response).await,
            Err(CalloutError::Unreachable) => {
                CalloutAnswer::grpc_unreachable(self.kind)
                    .into_iter()
                    .for_each(|answer| self.caller.answer(answer));
            }
            Err(CalloutError::Reset(reason)) => self.caller.close(UNAVAILABLE, &reset_text(reason)),
        }
    }

    async fn read(&mut self, response: CalloutResponse) {
        let (head, mut body) = response.into_parts();
        let (status, fields) = (head.status, head.headers.clone());
        let (headers, _) = response_in(head, None);
        let is_stream = self.kind == CalloutKind::GrpcStream;
        // A response without a body has its status in its headers.
        let has_status = fields.contains_key("grpc-status");
        let ends_at_once = http_body::Body::is_end_stream(&body) || has_status;
        if is_stream {
            let initial =
                if ends_at_once { Headers::new(HeaderScope::Response) } else { headers.clone() };
            self.caller.answer(CalloutAnswer::GrpcInitialMetadata(initial));
        }
        if status != http::StatusCode::OK && !has_status {
            return self.caller.answer(CalloutAnswer::grpc_closed_by_http(status.as_u16()));
        }
        if ends_at_once {
            return self
                .end(&fields, Headers::collect(HeaderScope::ResponseTrailers, headers.iter()));
        }
        let mut received = BytesMut::new();
        loop {
            let frame = match body.frame().await {
                None => return self.caller.answer(CalloutAnswer::grpc_closed(UNKNOWN, "")),
                Some(Err(_)) => return self.caller.close(INTERNAL, ""),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => {
                    received.extend_from_slice(&data);
                    loop {
                        match grpc::take_message(&mut received, self.caller.max_bytes) {
                            Ok(Some(message)) if is_stream => {
                                self.caller.answer(CalloutAnswer::GrpcMessage(message));
                            }
                            Ok(Some(message)) => self.message = Some(message),
                            Ok(None) => break,
                            Err(grpc::Malformed) => return self.caller.close(INTERNAL, ""),
                        }
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return self
                            .end(&trailers, headers_in(HeaderScope::ResponseTrailers, &trailers));
                    }
                }
            }
        }
    }

    fn end(&mut self, trailers: &HeaderMap, trailing: Headers) {
        let text =
            |name: &str| trailers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let status = text("grpc-status").and_then(|status| status.parse().ok()).unwrap_or(UNKNOWN);
        let message = text("grpc-message")
            .map_or_else(String::new, |message| grpc::percent_decoded(&message));
        if self.kind == CalloutKind::GrpcStream {
            self.caller.answer(CalloutAnswer::GrpcTrailingMetadata(trailing));
        } else if status == 0 {
            return match self.message.take() {
                Some(message) => self.caller.answer(CalloutAnswer::GrpcMessage(message)),
                None => self.caller.answer(CalloutAnswer::grpc_closed(INTERNAL, "")),
            };
        }
        self.caller.answer(CalloutAnswer::grpc_closed(status, &message));
    }
}

fn grpc_request(
    called: &Called<'_>,
    metadata: &Headers,
    body: CalloutBody,
) -> Result<http::Request<CalloutBody>, Unfit> {
    let mut headers = Headers::request([
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &format!("/{}/{}", called.service, called.method)),
        (":authority", called.cluster),
    ]);
    if let Some(timeout) = called.timeout {
        headers.add("grpc-timeout", grpc::timeout(timeout));
    }
    for (name, value) in metadata.iter().filter(|(name, _)| name.first() != Some(&b':')) {
        headers.add(name, value);
    }
    let mut head = outgoing(&headers, Version::HTTP_2)?;
    head.headers.insert(TE, HeaderValue::from_static("trailers"));
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(http::Request::from_parts(head, body))
}

fn reset_text(reason: Cow<'_, str>) -> String {
    format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callouts_uri_says_everything_and_its_host_nothing() {
        let headers = Headers::request([
            (":method", "GET"),
            (":authority", "auth.example"),
            (":path", "/x?y"),
            ("x-a", "1"),
        ]);
        let request = http_request(&headers, Bytes::new(), &Headers::default()).unwrap();
        assert_eq!(
            (request.uri().to_string(), request.version()),
            ("http://auth.example/x?y".to_owned(), Version::HTTP_11)
        );
        assert_eq!(request.headers().keys().collect::<Vec<_>>(), ["x-a"]);
        assert!(
            http_request(
                &Headers::request([(":method", "GET"), (":path", "/")]),
                Bytes::new(),
                &Headers::default()
            )
            .is_ok()
        );
        assert!(
            http_request(&Headers::request([(":path", "/")]), Bytes::new(), &Headers::default())
                .is_err()
        );
    }
}
