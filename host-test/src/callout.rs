//! Callouts: the HTTP and gRPC calls that guests start. A VM hands them out as requests and takes
//! the answers; who sends them and when they time out is the business of whoever drives the VM.

mod open;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;

pub(crate) use self::open::{CalloutStatus, Callouts, Delivery};
use crate::abi::Status;
use crate::grpc::{UNAVAILABLE, status_of_http};
use crate::headers::Headers;

/// Names one callout of one VM while it is open.
///
/// ```
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/auth.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
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
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
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
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/auth.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
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
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/grpc.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "grpc", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "grpc".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
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
    fn bytes(&self) -> usize {
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

/// Where a gRPC call goes: Envoy's `GrpcService` message as far as it says that.
///
/// ```
/// use gatepost_host::{CalloutRequest, GrpcService};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/grpc.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "grpc", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "grpc".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// # let _ = vm.request_headers(stream, &mut headers, true)?;
/// # let callout = vm.take_callouts().remove(0);
///
/// // This guest gives the message `{ envoy_grpc: { cluster_name: "limits" } }`.
/// let CalloutRequest::GrpcCall { service, .. } = callout.request else { panic!("a gRPC call") };
/// assert_eq!(service, GrpcService { target: "limits".into(), raw: b"\n\x08\n\x06limits"[..].into() });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcService {
    /// The cluster (`envoy_grpc.cluster_name`) or target (`google_grpc.target_uri`). A guest that
    /// gives no `GrpcService` but plain text names a cluster, as newer Envoys understand it.
    pub target: String,
    /// The bytes that the guest gave.
    pub raw: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct GrpcServiceMessage {
    #[prost(message, optional, tag = "1")]
    envoy_grpc: Option<Target>,
    #[prost(message, optional, tag = "2")]
    google_grpc: Option<Target>,
}

/// `EnvoyGrpc` and `GoogleGrpc` both begin with the name that is wanted here.
#[derive(Clone, PartialEq, Message)]
struct Target {
    #[prost(string, tag = "1")]
    name: String,
}

impl GrpcService {
    pub(crate) fn parse(raw: Bytes) -> Result<Self, Status> {
        let named = GrpcServiceMessage::decode(raw.clone())
            .ok()
            .and_then(|message| message.envoy_grpc.or(message.google_grpc));
        let target = match named {
            Some(target) => target.name,
            None => std::str::from_utf8(&raw).map_err(|_| Status::ParseFailure)?.to_owned(),
        };
        if target.is_empty() { Err(Status::ParseFailure) } else { Ok(Self { target, raw }) }
    }
}

/// What came back for a callout.
///
/// ```
/// use gatepost_host::{CalloutAnswer, StreamKind};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/grpc.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "grpc", &wasm)?;
/// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig { name: "grpc".into(), ..PluginConfig::default() })?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
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
            trailers: Headers::new(crate::HeaderScope::ResponseTrailers),
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
        let trailing = Headers::collect(crate::HeaderScope::ResponseTrailers, pairs);
        let initial = Headers::new(crate::HeaderScope::Response);
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

/// Which clusters guests may call.
///
/// ```
/// use std::sync::Arc;
/// use gatepost_host::{Clusters, Host, Vm, VmOptions};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/auth.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
///
/// // This guest calls the cluster `auth`.
/// let clusters = Clusters::Only(Arc::from(["billing".to_owned()]));
/// let mut vm = Vm::new(&module, Host { clusters, ..Host::default() }, VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig::default())?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// let _ = vm.request_headers(stream, &mut headers, true)?;
/// assert!(vm.take_callouts().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Clusters {
    /// Every name is one.
    #[default]
    Any,
    /// These. As in Envoy, an HTTP call to another is `BadArgument`, a gRPC call is
    /// `InternalFailure` and then closed with `UNAVAILABLE`, or `ParseFailure` when its service was
    /// plain text.
    Only(Arc<[String]>),
}

impl Clusters {
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Clusters::Any => true,
            Clusters::Only(names) => names.iter().any(|have| have == name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_service_names_a_cluster_a_target_or_is_a_cluster_name() {
        let envoy = GrpcServiceMessage {
            envoy_grpc: Some(Target { name: "auth".into() }),
            google_grpc: None,
        };
        let google = GrpcServiceMessage {
            envoy_grpc: None,
            google_grpc: Some(Target { name: "auth:443".into() }),
        };
        assert_eq!(GrpcService::parse(envoy.encode_to_vec().into()).unwrap().target, "auth");
        assert_eq!(GrpcService::parse(google.encode_to_vec().into()).unwrap().target, "auth:443");
        assert_eq!(GrpcService::parse(Bytes::from_static(b"plain")).unwrap().target, "plain");
        assert_eq!(GrpcService::parse(Bytes::from_static(b"\xff\xff")), Err(Status::ParseFailure));
        assert_eq!(GrpcService::parse(Bytes::new()), Err(Status::ParseFailure));
    }
}
