//! What a guest wants sent: the requests of HTTP calls, gRPC calls and gRPC streams, and the token
//! that names a call in its answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::grpc_service::GrpcService;
use crate::headers::Headers;

/// Identifies one callout of one VM while it is open.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("auth");
/// # let mut headers = request();
/// # let _ = vm.request_headers(stream, &mut headers, true)?;
/// # let callout = vm.take_callouts().remove(0);
/// let token = callout.token;
/// assert_eq!((token.kind(), token.number()), (CalloutKind::Http, 4));
/// assert!(vm.awaits(token));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CalloutToken {
    pub(crate) kind: CalloutKind,
    pub(crate) token: u32,
}

impl CalloutToken {
    /// The number that the guest knows. Its last two bits are the kind, as in Envoy.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// let _ = vm.request_headers(stream, &mut headers, true)?; // this guest makes a call
    /// assert_eq!(vm.take_callouts()[0].token.number(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn number(self) -> u32 {
        self.token
    }

    /// The kind of the call.
    #[must_use]
    pub fn kind(self) -> CalloutKind {
        self.kind
    }
}

/// The kind of a callout.
///
/// ```
/// use gatepost_host::{CalloutAnswer, CalloutKind};
///
/// // A failed stream has three answers, a failed call has one.
/// assert_eq!(CalloutAnswer::grpc_unreachable(CalloutKind::GrpcStream).len(), 3);
/// assert_eq!(CalloutAnswer::grpc_unreachable(CalloutKind::GrpcCall).len(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalloutKind {
    /// `proxy_http_call`
    Http = 0,
    /// `proxy_grpc_call`: one message each way.
    GrpcCall = 1,
    /// `proxy_grpc_stream`: any number of messages each way.
    GrpcStream = 2,
}

/// A request that a guest wants sent.
///
/// ```
/// use gatepost_host::{CalloutAnswer, CalloutRequest, Headers, Outcome, Pause, StreamKind};
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("auth");
/// # let mut headers = request();
///
/// // This guest calls the cluster `auth`, and waits.
/// let outcome = vm.request_headers(stream, &mut headers, true)?;
/// assert_eq!(outcome, Outcome::Pause(Pause::Watermark));
/// let callout = vm.take_callouts().remove(0);
/// let CalloutRequest::Http { cluster, .. } = &callout.request else { panic!("an HTTP call") };
/// assert_eq!(cluster, "auth");
///
/// // Send the request, and deliver the answer. The guest then continues the request.
/// let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "ok");
/// vm.answer(callout.token, answer)?;
/// assert!(vm.take_continued(stream, StreamKind::HttpRequest)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct VmCallout {
    /// Identifies the callout in its answers.
    pub token: CalloutToken,
    /// The plugin whose guest called.
    pub plugin: Arc<str>,
    /// The request.
    pub request: CalloutRequest,
}

/// The content of a callout. The last three variants belong to a call or stream that is open.
///
/// ```
/// use gatepost_host::CalloutRequest;
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("grpc");
/// # let mut headers = request();
/// # let _ = vm.request_headers(stream, &mut headers, true)?;
///
/// for callout in vm.take_callouts() {
///     match callout.request {
///         CalloutRequest::Http { cluster, .. } => println!("HTTP to {cluster}"),
///         CalloutRequest::GrpcCall { service, service_name, message, .. } => {
///             assert_eq!(service.target, "limits");
///             assert_eq!((service_name.as_str(), &message[..]), ("limits.Service", &b"hi"[..]));
///         }
///         other => println!("a gRPC stream: {other:?}"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum CalloutRequest {
    /// An HTTP request. It has a method, a path and an authority, and a `content-length` if it has
    /// a body.
    Http {
        /// The cluster that the guest named.
        cluster: String,
        /// The headers.
        headers: Headers,
        /// The body.
        body: Bytes,
        /// The trailers; empty for none.
        trailers: Headers,
        /// The timeout; none for no limit.
        timeout: Option<Duration>,
    },
    /// A unary gRPC call.
    GrpcCall {
        /// The cluster or target.
        service: GrpcService,
        /// The gRPC service, as in `package.Service`.
        service_name: String,
        /// The method.
        method_name: String,
        /// The initial metadata.
        initial_metadata: Headers,
        /// The message, without gRPC's frame header of five bytes.
        message: Bytes,
        /// The timeout; none for no limit.
        timeout: Option<Duration>,
    },
    /// A gRPC stream.
    GrpcStream {
        /// The cluster or target.
        service: GrpcService,
        /// The gRPC service.
        service_name: String,
        /// The method.
        method_name: String,
        /// The initial metadata.
        initial_metadata: Headers,
    },
    /// A message on a gRPC stream.
    GrpcSend {
        /// The message, without the frame header.
        message: Bytes,
        /// Whether it is the last message.
        end_stream: bool,
    },
    /// The guest sends no more messages on this stream, and still receives them.
    GrpcClose,
    /// The guest cancels this call or stream.
    GrpcCancel,
}

impl CalloutRequest {
    /// The bytes that count for the limit.
    pub(super) fn bytes(&self) -> usize {
        match self {
            CalloutRequest::Http { cluster, headers, body, trailers, .. } => {
                cluster.len() + headers.charge() + body.len() + trailers.charge()
            }
            CalloutRequest::GrpcCall {
                service,
                service_name,
                method_name,
                initial_metadata,
                message,
                ..
            } => {
                let names = 2 * service.raw.len() + service_name.len() + method_name.len();
                names + initial_metadata.charge() + message.len()
            }
            CalloutRequest::GrpcStream { service, service_name, method_name, initial_metadata } => {
                let names = 2 * service.raw.len() + service_name.len() + method_name.len();
                names + initial_metadata.charge()
            }
            CalloutRequest::GrpcSend { message, .. } => message.len(),
            CalloutRequest::GrpcClose | CalloutRequest::GrpcCancel => 0,
        }
    }
}
