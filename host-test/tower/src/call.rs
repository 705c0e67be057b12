//! One callout on its way: what the guest wants sent becomes a request, and what comes back becomes
//! answers, as Envoy's clients of HTTP and gRPC tell them.

use std::borrow::Cow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use gatepost_host::{CalloutAnswer, CalloutId, CalloutKind, CalloutRequest, HeaderScope, Headers};
use http::header::{CONTENT_TYPE, HeaderValue, TE};
use http::{HeaderMap, Version};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::mpsc;

use crate::body::BoxError;
use crate::callout::{CalloutBody, CalloutError, CalloutResponse, Callouts};
use crate::message::{Unfit, headers_in, outgoing, response_in, trailers_out};
use crate::seat::Seat;

/// gRPC's `INTERNAL` and `UNAVAILABLE`, and `UNKNOWN` for an end that tells none.
const INTERNAL: u32 = 13;
const UNAVAILABLE: u32 = 14;
const UNKNOWN: u32 = 2;

/// Where answers go. A guest whose worker is gone needs none.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) seat: Weak<Seat>,
    pub(crate) id: CalloutId,
    /// The most bytes that an answer, or one message of it, may have.
    pub(crate) most: usize,
}

impl Asker {
    pub(crate) fn tell(&self, answer: CalloutAnswer) {
        if let Some(seat) = self.seat.upgrade() {
            seat.answer(self.id, answer);
        }
    }

    fn close(&self, status: u32, message: &str) {
        self.tell(CalloutAnswer::GrpcClose { status, message: message.to_owned() });
    }
}

/// A guest whose call ends in a panic must not wait for ever.
struct OnPanic(Asker);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.tell(CalloutAnswer::Failed);
        }
    }
}

/// Sends a callout and tells its guest what comes back. `messages` is what the guest sends on a
/// gRPC stream later.
pub(crate) async fn run(
    asker: Asker,
    callouts: Arc<dyn Callouts>,
    request: CalloutRequest,
    messages: mpsc::Receiver<Bytes>,
) {
    let _on_panic = OnPanic(asker.clone());
    match request {
        CalloutRequest::Http { cluster, headers, body, trailers, .. } => {
            let answer = match http_request(&headers, body, &trailers) {
                Ok(request) => {
                    http_answer(
                        callouts.send(&cluster, CalloutKind::Http, request).await,
                        asker.most,
                    )
                    .await
                }
                Err(_) => CalloutAnswer::reset("protocol error"),
            };
            asker.tell(answer);
        }
        CalloutRequest::GrpcCall {
            service,
            service_name,
            method_name,
            initial_metadata,
            message,
            timeout,
        } => {
            let body = CalloutBody::whole(frame(&message), None);
            let called = Called {
                cluster: &service.target,
                service: &service_name,
                method: &method_name,
                timeout,
            };
            let mut call = Grpc { asker, kind: CalloutKind::GrpcCall, message: None };
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
            let mut stream = Grpc { asker, kind: CalloutKind::GrpcStream, message: None };
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
    most: usize,
) -> CalloutAnswer {
    let response = match response {
        Ok(response) => response,
        Err(CalloutError::Unreachable) => return CalloutAnswer::unreachable(),
        Err(CalloutError::Reset(reason)) => return CalloutAnswer::reset(&reason),
    };
    let (head, body) = response.into_parts();
    let (headers, _) = response_in(head, None);
    match whole(body, most).await {
        Some((body, trailers)) => CalloutAnswer::Http {
            headers,
            body,
            trailers: headers_in(HeaderScope::ResponseTrailers, &trailers),
        },
        None => CalloutAnswer::Failed,
    }
}

/// A body and its trailers; none when it breaks off or is too long.
async fn whole(
    mut body: UnsyncBoxBody<Bytes, BoxError>,
    most: usize,
) -> Option<(Bytes, HeaderMap)> {
    let (mut data, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while let Some(frame) = body.frame().await {
        match frame.ok()?.into_data() {
            Ok(more) if data.len().saturating_add(more.len()) > most => return None,
            Ok(more) => data.extend_from_slice(&more),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Some((data.freeze(), trailers))
}

/// A message with gRPC's five bytes before it: not compressed, and its length.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), message].concat().into()
}

/// What a gRPC guest calls.
struct Called<'a> {
    cluster: &'a str,
    service: &'a str,
    method: &'a str,
    timeout: Option<Duration>,
}

struct Grpc {
    asker: Asker,
    kind: CalloutKind,
    /// The answer to a call, which counts when its status is good.
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
            return self.asker.close(INTERNAL, "the call's path or metadata cannot be sent");
        };
        match callouts.send(called.cluster, self.kind, request).await {
            Ok(response) => self.read(response).await,
            Err(CalloutError::Unreachable) => {
                CalloutAnswer::grpc_unreachable(self.kind)
                    .into_iter()
                    .for_each(|answer| self.asker.tell(answer));
            }
            Err(CalloutError::Reset(reason)) => self.asker.close(UNAVAILABLE, &reset_text(reason)),
        }
    }

    async fn read(&mut self, response: CalloutResponse) {
        let (head, mut body) = response.into_parts();
        let (status, fields) = (head.status, head.headers.clone());
        let (headers, _) = response_in(head, None);
        let is_stream = self.kind == CalloutKind::GrpcStream;
        // An answer that has its trailers in its headers says its status there.
        let says_status = fields.contains_key("grpc-status");
        let ends_at_once = http_body::Body::is_end_stream(&body) || says_status;
        if is_stream {
            let initial =
                if ends_at_once { Headers::new(HeaderScope::Response) } else { headers.clone() };
            self.asker.tell(CalloutAnswer::GrpcInitialMetadata(initial));
        }
        if status != http::StatusCode::OK && !says_status {
            return self.asker.tell(CalloutAnswer::grpc_closed_by_http(status.as_u16()));
        }
        if ends_at_once {
            return self
                .end(&fields, Headers::collect(HeaderScope::ResponseTrailers, headers.iter()));
        }
        let mut received = BytesMut::new();
        loop {
            let frame = match body.frame().await {
                None => return self.asker.tell(CalloutAnswer::grpc_closed(UNKNOWN, "")),
                Some(Err(_)) => return self.asker.close(INTERNAL, ""),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => {
                    received.extend_from_slice(&data);
                    loop {
                        match take_message(&mut received, self.asker.most) {
                            Ok(Some(message)) if is_stream => {
                                self.asker.tell(CalloutAnswer::GrpcMessage(message))
                            }
                            Ok(Some(message)) => self.message = Some(message),
                            Ok(None) => break,
                            Err(Malformed) => return self.asker.close(INTERNAL, ""),
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
        let message =
            text("grpc-message").map_or_else(String::new, |message| percent_decoded(&message));
        if self.kind == CalloutKind::GrpcStream {
            self.asker.tell(CalloutAnswer::GrpcTrailingMetadata(trailing));
        } else if status == 0 {
            return match self.message.take() {
                Some(message) => self.asker.tell(CalloutAnswer::GrpcMessage(message)),
                None => self.asker.tell(CalloutAnswer::grpc_closed(INTERNAL, "")),
            };
        }
        self.asker.tell(CalloutAnswer::grpc_closed(status, &message));
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
        headers.add("grpc-timeout", grpc_timeout(timeout));
    }
    for (name, value) in metadata.iter().filter(|(name, _)| name.first() != Some(&b':')) {
        headers.add(name, value);
    }
    let mut head = outgoing(&headers, Version::HTTP_2)?;
    head.headers.insert(TE, HeaderValue::from_static("trailers"));
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(http::Request::from_parts(head, body))
}

/// In milliseconds, or in seconds where those have more than gRPC's eight digits.
fn grpc_timeout(timeout: Duration) -> String {
    match timeout.as_millis() {
        millis @ 0..=99_999_999 => format!("{millis}m"),
        _ => format!("{}S", timeout.as_secs().min(99_999_999)),
    }
}

fn reset_text(reason: Cow<'_, str>) -> String {
    format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}")
}

struct Malformed;

/// The first message of what has come, when it is whole.
fn take_message(received: &mut BytesMut, most: usize) -> Result<Option<Bytes>, Malformed> {
    let Some((&[compressed, a, b, c, d], rest)) = received.split_first_chunk::<5>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    // Nothing was said that would let the other side compress.
    if compressed != 0 || length > most {
        return Err(Malformed);
    }
    if rest.len() < length {
        return Ok(None);
    }
    received.advance(5);
    Ok(Some(received.split_to(length).freeze()))
}

/// A `grpc-message` as it was meant; what is no encoding stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (digit(at + 1), digit(at + 2)) {
            (Some(high), Some(low)) if *byte == b'%' => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_out_of_what_comes() {
        let mut received = BytesMut::new();
        let mut more = |bytes: &[u8], most| {
            received.extend_from_slice(bytes);
            take_message(&mut received, most).map_err(|Malformed| "malformed")
        };
        assert_eq!(more(&[0, 0, 0], 10), Ok(None));
        assert_eq!(more(&[0, 3, b'o'], 10), Ok(None));
        assert_eq!(more(b"ne\0\0\0\0\0\0", 10), Ok(Some("one".into())));
        assert_eq!(more(b"", 10), Ok(Some(Bytes::new())));
        assert_eq!(more(b"\0\0\0\x0b", 10), Err("malformed"));
        assert_eq!(take_message(&mut frame(b"two").into(), 3).ok().flatten(), Some("two".into()));
        assert!(take_message(&mut BytesMut::from(&[1, 0, 0, 0, 0][..]), 3).is_err());
    }

    #[test]
    fn a_grpc_message_is_decoded() {
        for (text, meant) in [
            ("no way", "no way"),
            ("100%25%0Aoff", "100%\noff"),
            ("%zz %4", "%zz %4"),
            ("%c3%A9", "é"),
        ] {
            assert_eq!(percent_decoded(text), meant);
        }
    }

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
