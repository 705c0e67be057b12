//! Local replies: answers of a plugin or of the chain itself, and the messages that Envoy makes of
//! them. `local_reply` sends them.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;

use super::event::LocalReplySent;
use crate::callout::{PROTOCOL_ERROR, reset_text};
use crate::grpc::{UNAVAILABLE, status_of_http};
use crate::headers::Headers;
use crate::outcome::LocalReply;
use crate::text::Text;

/// A local reply, before it becomes a message.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    plugin: Option<Arc<str>>,
    pub(super) status: u32,
    headers: Vec<(Text, Text)>,
    pub(super) body: Bytes,
    grpc_status: Option<u32>,
    pub(super) details: Text,
}

impl Reply {
    pub(super) fn of_guest(plugin: Option<Arc<str>>, reply: LocalReply) -> Self {
        let LocalReply { status, details, headers, body, grpc_status } = reply;
        Self { plugin, status, headers, body: body.0, grpc_status, details }
    }

    /// What a client gets when a plugin's VM has trapped and its policy fails the stream.
    pub(super) fn failed_plugin(plugin: Option<Arc<str>>) -> Self {
        Self {
            plugin,
            grpc_status: Some(UNAVAILABLE),
            ..Self::of_chain(503, "", "wasm_fail_stream")
        }
    }

    /// An answer of the chain itself.
    pub(super) fn of_chain(status: u32, body: &str, details: &str) -> Self {
        let (body, details) =
            (Bytes::copy_from_slice(body.as_bytes()), Text::copy(details.as_bytes()));
        Self { plugin: None, status, headers: Vec::new(), body, grpc_status: None, details }
    }

    /// What Envoy's router answers when the upstream's stream ends before its response began.
    pub(super) fn of_upstream(reason: &str) -> Self {
        let details =
            format!("upstream_reset_before_response_started{{{}}}", reason.replace(' ', "_"));
        let status = if reason == PROTOCOL_ERROR { 502 } else { 503 };
        Self::of_chain(status, &reset_text(reason), &details)
    }

    pub(super) fn sent(&self) -> LocalReplySent {
        LocalReplySent {
            plugin: self.plugin.clone(),
            status: self.status,
            details: self.details.clone(),
        }
    }

    /// The message: its headers, and its body if it has one.
    pub(super) fn message(self, is_head: bool, is_grpc: bool) -> (Headers, Bytes) {
        let Self { status, headers: given, body, grpc_status, .. } = self;
        let mut headers = Headers::response([(":status", "")]);
        for (name, value) in &given {
            headers.add(name.as_bytes(), value.as_bytes());
        }
        headers.set(":status", status.to_string());
        if is_grpc {
            headers.set(":status", "200");
            headers.set("content-type", "application/grpc");
            headers.set(
                "grpc-status",
                grpc_status.unwrap_or_else(|| status_of_http(status)).to_string(),
            );
            if !body.is_empty() && !is_head {
                headers.set("grpc-message", percent_encoded(&body));
            }
            headers.remove("content-length");
            return (headers, Bytes::new());
        }
        if body.is_empty() {
            headers.remove("content-length");
            headers.remove("content-type");
        } else {
            headers.set("content-length", body.len().to_string());
            if headers.get("content-type").is_none() {
                headers.add("content-type", "text/plain");
            }
        }
        (headers, if is_head { Bytes::new() } else { body })
    }
}

/// gRPC's encoding of a status message: printable ASCII except `%` stays as it is.
fn percent_encoded(message: &[u8]) -> String {
    message.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b' '..=b'$' | b'&'..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(headers: &[(&str, &str)], body: &'static str, grpc_status: Option<u32>) -> Reply {
        let text = |text: &str| Text::copy(text.as_bytes());
        let headers = headers.iter().map(|(name, value)| (text(name), text(value))).collect();
        Reply::of_guest(
            None,
            LocalReply { status: 403, details: text("d"), headers, body: text(body), grpc_status },
        )
    }

    fn made(reply: Reply, is_head: bool, is_grpc: bool) -> (String, Bytes) {
        let (headers, body) = reply.message(is_head, is_grpc);
        (headers.to_string(), body)
    }

    #[test]
    fn the_guests_headers_come_before_length_and_type() {
        let reply = guest(&[("x-why", "no")], "go away", None);
        let headers =
            ":status: 403\nx-why: no\ncontent-length: 7\ncontent-type: text/plain\n".to_owned();
        assert_eq!(made(reply.clone(), false, false), (headers.clone(), "go away".into()));
        assert_eq!(made(reply, true, false), (headers, Bytes::new()));
    }

    #[test]
    fn a_type_of_the_guests_own_is_kept_unless_there_is_no_body() {
        let headers = [("content-type", "text/html"), ("content-length", "99")];
        let typed = ":status: 403\ncontent-type: text/html\ncontent-length: 2\n".to_owned();
        assert_eq!(made(guest(&headers, "no", None), false, false), (typed, "no".into()));
        assert_eq!(
            made(guest(&headers, "", None), false, false),
            (":status: 403\n".into(), Bytes::new())
        );
    }

    #[test]
    fn a_grpc_client_is_answered_in_grpc() {
        let text = |code| {
            format!(
                ":status: 200\ncontent-type: application/grpc\ngrpc-status: {code}\n\
                 grpc-message: 100%25%0Aoff\n"
            )
        };
        assert_eq!(made(guest(&[], "100%\noff", None), false, true), (text(7), Bytes::new()));
        assert_eq!(
            made(guest(&[("content-length", "1")], "100%\noff", Some(16)), false, true),
            (text(16), Bytes::new())
        );
    }
}
