//! What a guest wants sent: the requests of HTTP calls, gRPC calls and gRPC streams, and the token
//! that names a call in its answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::grpc_service::GrpcService;
use crate::headers::Headers;

/// Names one callout of one VM while it is open.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("auth");
/// # let mut headers = request();
/// # let _ = vm.request_headers(stream, &mut headers, true)?;
/// # let callout = vm.take_callouts().remove(0);
/// let token = callout.token;
/// assert_eq!((token.kind(), token.number()), (CalloutKind::Http, 1));
/// assert!(vm.awaits(token));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CalloutToken {
    pub(crate) kind: CalloutKind,
    pub(crate) token: u32,
}

impl CalloutToken {
    /// The number that the guest knows the callout by. HTTP and gRPC calls are numbered apart.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// let _ = vm.request_headers(stream, &mut headers, true)?; // this guest makes a call
    /// assert_eq!(vm.take_callouts()[0].token.number(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn number(self) -> u32 {
        self.token
    }

    /// What kind of call it is.
    #[must_use]
    pub fn kind(self) -> CalloutKind {
        self.kind
    }
}

/// What kind of call a callout is.
///
/// ```
/// use gatepost_host::{CalloutAnswer, CalloutKind};
///
/// // A failed stream is told in three answers, a failed call in one.
/// assert_eq!(CalloutAnswer::grpc_unreachable(CalloutKind::GrpcStream).len(), 3);
/// assert_eq!(CalloutAnswer::grpc_unreachable(CalloutKind::GrpcCall).len(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalloutKind {
    /// `proxy_http_call`
    Http,
    /// `proxy_grpc_call`: one message each way.
    GrpcCall,
    /// `proxy_grpc_stream`: any number of messages each way.
    GrpcStream,
}

/// Something that a guest wants sent.
///
/// ```
/// use gatepost_host::{CalloutAnswer, CalloutRequest, Headers, MapKind, Outcome, Pause, StreamKind};
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("auth");
/// # let mut headers = request();
///
/// // This guest asks the cluster `auth`, and waits.
/// let outcome = vm.request_headers(stream, &mut headers, true)?;
/// assert_eq!(outcome, Outcome::Pause(Pause::Watermark));
/// let callout = vm.take_callouts().remove(0);
/// let CalloutRequest::Http { cluster, headers: asked, .. } = &callout.request else { panic!("an HTTP call") };
/// assert_eq!((cluster.as_str(), asked.get(":path")), ("auth", Some(&b"/check"[..])));
///
/// // Send it yourself, and tell the guest what came back; it lets the request go on.
/// let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "ok");
/// vm.answer(callout.token, answer)?;
/// assert!(vm.take_continued(stream, StreamKind::HttpRequest)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct VmCallout {
    /// Names the call in the answers.
    pub token: CalloutToken,
    /// The plugin whose guest called.
    pub plugin: Arc<str>,
    /// What to send.
    pub request: CalloutRequest,
}

/// What a guest wants sent. The last three belong to a stream or call that was started before.
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
///         CalloutRequest::GrpcCall { service, service_name, method_name, message, .. } => {
///             assert_eq!(service.target, "limits");
///             assert_eq!(format!("{service_name}/{method_name}"), "limits.Service/Check");
///             assert_eq!(message, "hi");
///         }
///         other => println!("a gRPC stream: {other:?}"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum CalloutRequest {
    /// An HTTP request. It has a method, a path and an authority, and a `content-length` when it
    /// has a body.
    Http {
        /// The cluster that the guest named.
        cluster: String,
        /// The request's headers.
        headers: Headers,
        /// Its body.
        body: Bytes,
        /// Its trailers; none when empty.
        trailers: Headers,
        /// How long the answer may take; none is for ever.
        timeout: Option<Duration>,
    },
    /// A unary gRPC call.
    GrpcCall {
        /// Where to.
        service: GrpcService,
        /// The gRPC service, as in `package.Service`.
        service_name: String,
        /// The method.
        method_name: String,
        /// Metadata to send first.
        initial_metadata: Headers,
        /// The message, without gRPC's five bytes of framing.
        message: Bytes,
        /// How long the answer may take; none is for ever.
        timeout: Option<Duration>,
    },
    /// A gRPC stream.
    GrpcStream {
        /// Where to.
        service: GrpcService,
        /// The gRPC service.
        service_name: String,
        /// The method.
        method_name: String,
        /// Metadata to send first.
        initial_metadata: Headers,
    },
    /// A message on a gRPC stream.
    GrpcSend {
        /// The message, without framing.
        message: Bytes,
        /// Whether it is the last.
        end_stream: bool,
    },
    /// The guest sends no more on this stream; it still listens.
    GrpcClose,
    /// The guest wants to hear no more of this call or stream.
    GrpcCancel,
}

impl CalloutRequest {
    /// The host memory that it holds, for the limit.
    pub(super) fn bytes(&self) -> usize {
        match self {
            CalloutRequest::Http { headers, body, trailers, .. } => {
                headers.byte_size() + body.len() + trailers.byte_size()
            }
            CalloutRequest::GrpcCall { initial_metadata, message, .. } => {
                initial_metadata.byte_size() + message.len()
            }
            CalloutRequest::GrpcStream { initial_metadata, .. } => initial_metadata.byte_size(),
            CalloutRequest::GrpcSend { message, .. } => message.len(),
            CalloutRequest::GrpcClose | CalloutRequest::GrpcCancel => 0,
        }
    }
}
