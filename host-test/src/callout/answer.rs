//! What came back for a callout, and the answers that Envoy makes itself when nothing came.

use bytes::Bytes;

use super::request::CalloutKind;
use crate::grpc::{UNAVAILABLE, status_of_http};
use crate::headers::{HeaderScope, Headers};

/// The answer of a callout.
///
/// ```
/// use gatepost_host::{CalloutAnswer, StreamKind};
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("grpc");
/// # let mut headers = request();
///
/// // This guest continues a request when its gRPC call succeeds, and answers 429 when it fails.
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
    /// The whole response to an HTTP call. After the timeout, deliver [`timeout`](Self::timeout).
    Http {
        /// The headers, with `:status`.
        headers: Headers,
        /// The body.
        body: Bytes,
        /// The trailers; empty for none.
        trailers: Headers,
    },
    /// The call was reset without a response. A gRPC call is closed with `UNAVAILABLE`.
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
        /// The status message.
        message: String,
    },
}

impl CalloutAnswer {
    /// A response without trailers.
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

    /// The answer of Envoy to an HTTP call whose timeout has passed.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let answer = CalloutAnswer::timeout();
    /// let CalloutAnswer::Http { headers, body, .. } = answer else { unreachable!() };
    /// assert_eq!(headers.get(":status"), Some(&b"504"[..]));
    /// assert_eq!(body, "upstream request timeout");
    /// ```
    #[must_use]
    pub fn timeout() -> Self {
        local(504, "upstream request timeout".to_owned())
    }

    /// The answer of Envoy to a gRPC call whose timeout has passed: `UNAVAILABLE`.
    #[must_use]
    pub fn grpc_timeout() -> Self {
        CalloutAnswer::GrpcClose {
            status: UNAVAILABLE,
            message: "upstream request timeout{response_timeout}".to_owned(),
        }
    }

    /// The answers of Envoy, in order, to a gRPC call whose cluster has no host that accepts a
    /// connection.
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
        let text = reset_text("remote connection failure");
        let details = "upstream_reset_before_response_started\
                       {remote_connection_failure|delayed_connect_error:_Connection_refused}";
        let close = CalloutAnswer::GrpcClose {
            status: UNAVAILABLE,
            message: format!("{text}{{{details}}}"),
        };
        if kind != CalloutKind::GrpcStream {
            return vec![close];
        }
        // A response that Envoy makes itself has only trailers.
        let pairs = [
            (":status", "200".to_owned()),
            ("content-type", "application/grpc".to_owned()),
            ("grpc-status", UNAVAILABLE.to_string()),
            ("grpc-message", text),
        ];
        let trailing = Headers::collect(HeaderScope::ResponseTrailers, pairs);
        let initial = Headers::new(HeaderScope::Response);
        vec![
            CalloutAnswer::GrpcInitialMetadata(initial),
            CalloutAnswer::GrpcTrailingMetadata(trailing),
            close,
        ]
    }

    /// The end of a gRPC stream, or the failure of a unary call, with the status of the upstream.
    /// As in Envoy, the message says that the upstream gave it.
    #[must_use]
    pub fn grpc_closed(status: u32, message: &str) -> Self {
        let details = "via_upstream";
        let message =
            if message.is_empty() { details.to_owned() } else { format!("{message}{{{details}}}") };
        CalloutAnswer::GrpcClose { status, message }
    }

    /// The same for a response with this HTTP status, other than 200, and no gRPC status.
    #[must_use]
    pub fn grpc_closed_by_http(status: u16) -> Self {
        Self::grpc_closed(status_of_http(status.into()), "")
    }

    /// The answer of Envoy to an HTTP call whose cluster has no host that accepts a connection.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let answer = CalloutAnswer::unreachable();
    /// let CalloutAnswer::Http { headers, body, .. } = answer else { unreachable!() };
    /// assert_eq!(headers.get(":status"), Some(&b"503"[..]));
    /// assert!(body.ends_with(b"reset reason: remote connection failure"));
    /// ```
    #[must_use]
    pub fn unreachable() -> Self {
        Self::reset("remote connection failure")
    }

    /// The answer of Envoy to an HTTP call that was reset before its response began, with the
    /// reason in Envoy's words, as in `remote reset`.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let status = |answer| match answer {
    ///     CalloutAnswer::Http { headers, .. } => headers.get(":status").map(<[u8]>::to_vec),
    ///     _ => None,
    /// };
    /// assert_eq!(status(CalloutAnswer::reset("remote reset")).unwrap(), b"503");
    /// // The one exception.
    /// assert_eq!(status(CalloutAnswer::reset("protocol error")).unwrap(), b"502");
    /// ```
    #[must_use]
    pub fn reset(reason: &str) -> Self {
        let status = if reason == PROTOCOL_ERROR { 502 } else { 503 };
        local(status, reset_text(reason))
    }
}

/// The reason for which Envoy answers 502 instead of 503.
pub(crate) const PROTOCOL_ERROR: &str = "protocol error";

/// The text of Envoy for an upstream whose stream was reset before its response began.
pub(crate) fn reset_text(reason: &str) -> String {
    let error = "upstream connect error or disconnect/reset before headers";
    format!("{error}. reset reason: {reason}")
}

fn local(status: u16, body: String) -> CalloutAnswer {
    let pairs = [
        (":status", status.to_string()),
        ("content-length", body.len().to_string()),
        ("content-type", "text/plain".to_owned()),
    ];
    CalloutAnswer::http(Headers::response(pairs), body)
}
