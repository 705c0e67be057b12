//! What came back for a callout, and the answers that Envoy makes itself when nothing came.

use bytes::Bytes;

use super::request::CalloutKind;
use crate::grpc::{UNAVAILABLE, status_of_http};
use crate::headers::{HeaderScope, Headers};

/// What came back for a callout.
///
/// ```
/// use gatepost_host::{CalloutAnswer, StreamKind};
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("grpc");
/// # let mut headers = request();
///
/// // This guest lets a request go on when its gRPC call is answered, and answers 429 when that fails.
/// let _ = vm.request_headers(stream, &mut headers, true)?;
/// let call = vm.take_callouts().remove(0);
/// vm.answer(call.token, CalloutAnswer::GrpcMessage("granted".into()))?;
/// assert!(vm.take_continued(stream, StreamKind::HttpRequest)?);
///
/// let _ = vm.request_headers(stream, &mut headers, true)?;
/// let call = vm.take_callouts().remove(0);
/// vm.answer(call.token, CalloutAnswer::GrpcClose { status: 8, message: "exhausted".into() })?;
/// assert_eq!(vm.take_local_reply(stream)?.unwrap().status, 429);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum CalloutAnswer {
    /// The whole answer to an HTTP call. A proxy that got none within the timeout answers 504
    /// itself, as Envoy does.
    Http {
        /// `:status` among them.
        headers: Headers,
        /// The body.
        body: Bytes,
        /// The trailers; none when empty.
        trailers: Headers,
    },
    /// The call was reset without an answer. A gRPC call is closed with `UNAVAILABLE`.
    Failed,
    /// A gRPC stream's initial metadata.
    GrpcInitialMetadata(Headers),
    /// A gRPC message. It ends a unary call.
    GrpcMessage(Bytes),
    /// A gRPC stream's trailing metadata.
    GrpcTrailingMetadata(Headers),
    /// The end of a gRPC stream, or the failure of a unary call.
    GrpcClose {
        /// The gRPC status.
        status: u32,
        /// Its message.
        message: String,
    },
}

impl CalloutAnswer {
    /// The answer to an HTTP call that has no trailers.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "ok");
    /// let CalloutAnswer::Http { body, trailers, .. } = answer else { unreachable!() };
    /// assert_eq!(body, "ok");
    /// assert!(trailers.is_empty());
    /// ```
    #[must_use]
    pub fn http(headers: Headers, body: impl Into<Bytes>) -> Self {
        CalloutAnswer::Http {
            headers,
            body: body.into(),
            trailers: Headers::new(HeaderScope::ResponseTrailers),
        }
    }

    /// What Envoy's guests get when nothing came within the timeout.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let CalloutAnswer::Http { headers, body, .. } = CalloutAnswer::timeout() else { unreachable!() };
    /// assert_eq!(headers.get(":status"), Some(&b"504"[..]));
    /// assert_eq!(body, "upstream request timeout");
    /// ```
    #[must_use]
    pub fn timeout() -> Self {
        local(504, "upstream request timeout".to_owned())
    }

    /// What Envoy's guests get when nothing came for a gRPC call within the timeout: `UNAVAILABLE`.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// assert!(matches!(CalloutAnswer::grpc_timeout(), CalloutAnswer::GrpcClose { status: 14, .. }));
    /// ```
    #[must_use]
    pub fn grpc_timeout() -> Self {
        CalloutAnswer::GrpcClose {
            status: UNAVAILABLE,
            message: "upstream request timeout{response_timeout}".to_owned(),
        }
    }

    /// What Envoy's guests get, one after the other, when a gRPC call's cluster has no host that
    /// accepts a connection.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let answers = CalloutAnswer::grpc_unreachable(CalloutKind::GrpcStream);
    /// assert!(matches!(answers[0], CalloutAnswer::GrpcInitialMetadata(_)));
    /// assert!(matches!(answers[1], CalloutAnswer::GrpcTrailingMetadata(_)));
    /// assert!(matches!(answers[2], CalloutAnswer::GrpcClose { status: 14, .. }));
    /// ```
    #[must_use]
    pub fn grpc_unreachable(kind: CalloutKind) -> Vec<Self> {
        let reason = "remote connection failure";
        let text = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
        let details = "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}";
        let close = CalloutAnswer::GrpcClose {
            status: UNAVAILABLE,
            message: format!("{text}{{{details}}}"),
        };
        if kind != CalloutKind::GrpcStream {
            return vec![close];
        }
        // The answer that Envoy makes itself has its headers and trailers in one.
        let pairs = [
            (":status", "200".to_owned()),
            ("content-type", "application/grpc".to_owned()),
            ("grpc-status", UNAVAILABLE.to_string()),
            (
                "grpc-message",
                format!(
                    "upstream connect error or disconnect/reset before headers. reset reason: {reason}"
                ),
            ),
        ];
        let trailing = Headers::collect(HeaderScope::ResponseTrailers, pairs);
        let initial = Headers::new(HeaderScope::Response);
        vec![
            CalloutAnswer::GrpcInitialMetadata(initial),
            CalloutAnswer::GrpcTrailingMetadata(trailing),
            close,
        ]
    }

    /// The end of a gRPC stream, or the failure of a unary call, as the other side told it: Envoy's
    /// guests see in the message who did.
    #[must_use]
    pub fn grpc_closed(status: u32, message: &str) -> Self {
        let details = "via_upstream";
        let message =
            if message.is_empty() { details.to_owned() } else { format!("{message}{{{details}}}") };
        CalloutAnswer::GrpcClose { status, message }
    }

    /// The same for an answer with this HTTP status, which is not 200, and no gRPC status.
    #[must_use]
    pub fn grpc_closed_by_http(status: u16) -> Self {
        Self::grpc_closed(status_of_http(status.into()), "")
    }

    /// What Envoy's guests get when the cluster has no host that accepts a connection.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let CalloutAnswer::Http { headers, body, .. } = CalloutAnswer::unreachable() else { unreachable!() };
    /// assert_eq!(headers.get(":status"), Some(&b"503"[..]));
    /// assert!(body.ends_with(b"reset reason: remote connection failure"));
    /// ```
    #[must_use]
    pub fn unreachable() -> Self {
        Self::reset("remote connection failure")
    }

    /// What Envoy's guests get when the other side ended the call before its answer began, with the
    /// reason in Envoy's words, as in `remote reset`.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let status = |answer| match answer {
    ///     CalloutAnswer::Http { headers, .. } => headers.get(":status").map(<[u8]>::to_vec),
    ///     _ => None,
    /// };
    /// assert_eq!(status(CalloutAnswer::reset("remote reset")).unwrap(), b"503");
    /// assert_eq!(status(CalloutAnswer::reset("protocol error")).unwrap(), b"502"); // the one that differs
    /// ```
    #[must_use]
    pub fn reset(reason: &str) -> Self {
        let status = if reason == PROTOCOL_ERROR { 502 } else { 503 };
        local(
            status,
            format!(
                "upstream connect error or disconnect/reset before headers. reset reason: {reason}"
            ),
        )
    }
}

/// The reason for which Envoy answers 502 instead of 503.
pub(crate) const PROTOCOL_ERROR: &str = "protocol error";

fn local(status: u16, body: String) -> CalloutAnswer {
    let pairs = [
        (":status", status.to_string()),
        ("content-length", body.len().to_string()),
        ("content-type", "text/plain".to_owned()),
    ];
    CalloutAnswer::http(Headers::response(pairs), body)
}
