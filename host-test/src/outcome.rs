//! What a callback on a stream can ask the driver to do: continue, pause, reset the stream, or
//! answer with a local reply.

use serde::Serialize;

use crate::text::Text;

/// What a callback on a stream asks the driver to do.
///
/// ```
/// use gatepost_host::{Outcome, Pause};
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("redact");
/// # let mut headers = request();
/// # let mut body = bytes::Bytes::from_static(b"secret");
///
/// match vm.request_body(stream, &mut body, false)? {
///     Outcome::Continue => println!("send {} bytes on", body.len()),
///     Outcome::Pause(Pause::Buffer) => println!("keep {} bytes, and show them again", body.len()),
///     Outcome::Pause(how) => println!("wait: {how:?}"),
///     Outcome::LocalReply(reply) => println!("answer {}", reply.status),
///     Outcome::Close => println!("reset the stream"),
/// }
/// # assert_eq!(vm.request_body(stream, &mut body, false)?, Outcome::Pause(Pause::Buffer));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
pub enum Outcome {
    /// Continue with the next filter.
    Continue,
    /// Stop here until the guest continues the stream.
    Pause(Pause),
    /// Answer the client with this. Boxed, because it is rare and large.
    LocalReply(Box<LocalReply>),
    /// Reset the stream: the guest closed it.
    Close,
}

/// What the driver does with the rest of a message while a plugin pauses it.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, plugin) = started("auth");
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
/// // This guest stops at the headers. By default that stops the body, too.
/// let outcome = vm.request_headers(stream, &mut headers, false)?;
/// assert_eq!(outcome, Outcome::Pause(Pause::Watermark));
///
/// let config = PluginConfig { allow_on_headers_stop_iteration: true, ..PluginConfig::default() };
/// let plugin = vm.start_plugin(config)?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
/// let outcome = vm.request_headers(stream, &mut headers, false)?;
/// assert_eq!(outcome, Outcome::Pause(Pause::Headers));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// The headers wait; body callbacks still come. Only with
    /// [`PluginConfig::allow_on_headers_stop_iteration`](crate::PluginConfig).
    Headers,
    /// Everything waits. The body is buffered; beyond the limit the stream fails.
    Buffer,
    /// Everything waits. The body is buffered; beyond the limit the sender has to wait.
    Watermark,
    /// This piece of the body is dropped, and the next one is shown to the plugin.
    NoBuffer,
}

/// An answer that a plugin gives instead of the upstream (`proxy_send_local_response`).
///
/// ```
/// use gatepost_host::Outcome;
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("deny");
/// # let mut headers = request();
///
/// let outcome = vm.request_headers(stream, &mut headers, true)?;
/// let Outcome::LocalReply(reply) = outcome else { panic!("this guest always answers") };
/// assert_eq!(reply.status, 403);
/// assert_eq!(reply.body.to_string(), "no");
/// assert_eq!(reply.details.to_string(), "denied");
/// assert_eq!(reply.grpc_status, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalReply {
    /// The HTTP status, as the guest gave it: any number.
    pub status: u32,
    /// The reason, for access logs. White space is replaced by `_`, as in Envoy.
    pub details: Text,
    /// Headers to add, names in lower case.
    pub headers: Vec<(Text, Text)>,
    /// The body.
    pub body: Text,
    /// The gRPC status for a gRPC request, 0 to 16; none if the guest gave none.
    pub grpc_status: Option<u32>,
}

impl LocalReply {
    /// What it takes in memory, with the allocations of each header.
    pub(crate) fn bytes(&self) -> usize {
        const HEADER: usize = 128;
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.0.len() + value.0.len() + HEADER);
        self.details.0.len() + self.body.0.len() + headers.sum::<usize>()
    }
}
