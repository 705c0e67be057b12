//! The open callouts of one VM, and the answer that a guest may read in its callback.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use super::request::{CalloutKind, CalloutRequest, CalloutToken, VmCallout};
use crate::abi::{BufferKind, MapKind, Status};
use crate::headers::Headers;
use crate::limits::{Limits, Refused};

/// The callouts of one VM.
#[derive(Debug, Default)]
pub(crate) struct Callouts {
    queued: Vec<VmCallout>,
    /// The bytes of the messages in `queued`, and of the requests of `open`.
    queued_bytes: usize,
    open_bytes: usize,
    /// Calls to unknown clusters, which fail after the callback that made them.
    refused: Vec<CalloutToken>,
    open: HashMap<CalloutToken, Open>,
    /// The last number of each kind, without the kind.
    last: [u32; 3],
}

/// The numbers of callouts count in steps of this.
const KINDS: u32 = 4;

/// A callout that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// The slot of the plugin, whose root context gets the answer.
    pub(crate) root: u32,
    /// What its request takes: it may still be on its way.
    bytes: usize,
    local_closed: bool,
    remote_closed: bool,
}

impl Callouts {
    /// Opens a call and queues its request; returns the number that the guest gets.
    pub(crate) fn start(
        &mut self,
        kind: CalloutKind,
        root: u32,
        plugin: Arc<str>,
        request: CalloutRequest,
        limits: &Limits,
    ) -> Result<u32, Refused> {
        if self.open.len() >= limits.callouts {
            return Err(Refused::Limit("callouts"));
        }
        self.fits(&request, limits)?;
        let (token, bytes) = (self.number(kind), request.bytes());
        self.insert(token, root, bytes);
        self.queued.push(VmCallout { token, plugin, request });
        Ok(token.token)
    }

    /// Opens a gRPC call that will fail, as Envoy does with a call to an unknown cluster.
    pub(crate) fn refuse(&mut self, kind: CalloutKind, root: u32, limits: &Limits) {
        if self.open.len() < limits.callouts {
            let token = self.number(kind);
            self.insert(token, root, 0);
            self.refused.push(token);
        }
    }

    pub(crate) fn take_refused(&mut self) -> Vec<CalloutToken> {
        std::mem::take(&mut self.refused)
    }

    /// A number that no open callout has. As in Envoy, its last two bits are the kind.
    fn number(&mut self, kind: CalloutKind) -> CalloutToken {
        let last = &mut self.last[kind as usize];
        loop {
            *last = last.wrapping_add(KINDS);
            let token = CalloutToken { kind, token: *last | kind as u32 };
            if token.token != 0 && !self.open.contains_key(&token) {
                return token;
            }
        }
    }

    /// Queues another request of an open gRPC call.
    pub(crate) fn send_more(
        &mut self,
        number: u32,
        plugin: Arc<str>,
        request: CalloutRequest,
        limits: &Limits,
    ) -> Result<(), Refused> {
        let kind = match number % KINDS {
            1 => CalloutKind::GrpcCall,
            2 => CalloutKind::GrpcStream,
            _ => return Err(Status::BadArgument.into()),
        };
        let token = CalloutToken { kind, token: number };
        if matches!(request, CalloutRequest::GrpcSend { .. }) && kind == CalloutKind::GrpcCall {
            return Err(Status::BadArgument.into());
        }
        self.fits(&request, limits)?;
        let open = self.open.get_mut(&token).ok_or(Status::NotFound)?;
        let ends = match request {
            CalloutRequest::GrpcCancel => true,
            CalloutRequest::GrpcClose => {
                open.local_closed = true;
                open.remote_closed || kind == CalloutKind::GrpcCall
            }
            _ => false,
        };
        if ends {
            self.remove(token);
        }
        self.queued_bytes += request.bytes();
        self.queued.push(VmCallout { token, plugin, request });
        Ok(())
    }

    fn fits(&self, request: &CalloutRequest, limits: &Limits) -> Result<(), Refused> {
        let bytes = self.queued_bytes + self.open_bytes + request.bytes();
        let most = limits.callouts.saturating_mul(4);
        if bytes > limits.body_bytes {
            Err(Refused::Limit("body_bytes"))
        } else if self.queued.len() >= most {
            Err(Refused::Limit("callouts"))
        } else {
            Ok(())
        }
    }

    fn insert(&mut self, token: CalloutToken, root: u32, bytes: usize) {
        self.open_bytes += bytes;
        self.open.insert(token, Open { root, bytes, local_closed: false, remote_closed: false });
    }

    fn remove(&mut self, token: CalloutToken) {
        if let Some(open) = self.open.remove(&token) {
            self.open_bytes -= open.bytes;
        }
    }

    pub(crate) fn take(&mut self) -> Vec<VmCallout> {
        self.queued_bytes = 0;
        std::mem::take(&mut self.queued)
    }

    pub(crate) fn has_new(&self) -> bool {
        !self.queued.is_empty()
    }

    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn find(&self, token: CalloutToken) -> Option<Open> {
        self.open.get(&token).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.queued.is_empty()
    }

    /// The other side has closed the call.
    pub(crate) fn remote_closed(&mut self, token: CalloutToken) {
        let Some(open) = self.open.get_mut(&token) else { return };
        open.remote_closed = true;
        if open.local_closed || token.kind != CalloutKind::GrpcStream {
            self.remove(token);
        }
    }

    /// Removes the calls of a plugin that is deleted.
    pub(crate) fn drop_root(&mut self, root: u32) {
        let Self { queued, open, open_bytes, .. } = self;
        open.retain(|_, open| {
            let stays = open.root != root;
            *open_bytes -= if stays { 0 } else { open.bytes };
            stays
        });
        queued.retain(|callout| open.contains_key(&callout.token));
    }
}

/// The part of a callout's answer that a guest may read in the callback for it.
#[derive(Debug)]
pub(crate) enum Delivery {
    Http { headers: Headers, body: Bytes, trailers: Headers },
    InitialMetadata(Headers),
    Message(Bytes),
    TrailingMetadata(Headers),
}

impl Delivery {
    pub(crate) fn map(&self, kind: MapKind) -> Option<&Headers> {
        match (self, kind) {
            (Delivery::Http { headers, .. }, MapKind::HttpCallResponseHeaders) => Some(headers),
            (Delivery::Http { trailers, .. }, MapKind::HttpCallResponseTrailers) => {
                Some(trailers).filter(|map| !map.is_empty())
            }
            (Delivery::InitialMetadata(map), MapKind::GrpcCallInitialMetadata)
            | (Delivery::TrailingMetadata(map), MapKind::GrpcCallTrailingMetadata) => Some(map),
            _ => None,
        }
    }

    /// The message of a gRPC answer.
    pub(crate) fn message_mut(&mut self) -> Option<&mut Bytes> {
        match self {
            Delivery::Message(message) => Some(message),
            _ => None,
        }
    }

    pub(crate) fn body(&self, kind: BufferKind) -> Option<&Bytes> {
        match (self, kind) {
            (Delivery::Http { body, .. }, BufferKind::HttpCallResponseBody) => Some(body),
            (Delivery::Message(message), BufferKind::GrpcCallMessage) => Some(message),
            _ => None,
        }
    }
}

/// The answer of `proxy_get_status`.
#[derive(Debug, Default)]
pub(crate) struct CalloutStatus {
    pub(crate) code: u32,
    pub(crate) message: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callout::GrpcService;

    fn stream() -> CalloutRequest {
        CalloutRequest::GrpcStream {
            service: GrpcService::parse(Bytes::from_static(b"c")).unwrap(),
            service_name: "s".into(),
            method_name: "m".into(),
            initial_metadata: Headers::default(),
        }
    }

    #[test]
    fn the_last_two_bits_of_a_number_are_its_kind() {
        let (mut callouts, limits) = (Callouts::default(), Limits::default());
        let mut start = |kind| callouts.start(kind, 0, "p".into(), stream(), &limits).unwrap();
        use CalloutKind::{GrpcCall, GrpcStream, Http};
        assert_eq!(
            [start(GrpcCall), start(GrpcStream), start(GrpcStream), start(GrpcCall)],
            [5, 6, 10, 9]
        );
        assert_eq!([start(Http), start(Http)], [4, 8]);
    }

    #[test]
    fn a_stream_is_over_when_both_sides_have_closed_it() {
        let (mut callouts, limits) = (Callouts::default(), Limits::default());
        let number =
            callouts.start(CalloutKind::GrpcStream, 0, "p".into(), stream(), &limits).unwrap();
        let token = CalloutToken { kind: CalloutKind::GrpcStream, token: number };
        callouts.send_more(number, "p".into(), CalloutRequest::GrpcClose, &limits).unwrap();
        assert!(callouts.find(token).is_some());
        callouts.remote_closed(token);
        assert!(callouts.find(token).is_none());
        assert_eq!(
            callouts.send_more(number, "p".into(), CalloutRequest::GrpcClose, &limits),
            Err(Status::NotFound.into())
        );
    }

    #[test]
    fn a_guest_cannot_open_more_callouts_than_its_limit() {
        let (mut callouts, limits) =
            (Callouts::default(), Limits { callouts: 1, ..Limits::default() });
        callouts.start(CalloutKind::GrpcStream, 0, "p".into(), stream(), &limits).unwrap();
        let more = callouts.start(CalloutKind::GrpcStream, 0, "p".into(), stream(), &limits);
        assert_eq!(more, Err(Refused::Limit("callouts")));
    }

    #[test]
    fn the_names_in_a_request_count() {
        let (mut callouts, limits) =
            (Callouts::default(), Limits { body_bytes: 100, ..Limits::default() });
        let long = || "n".repeat(101);
        let http = CalloutRequest::Http {
            cluster: long(),
            headers: Headers::default(),
            body: Bytes::new(),
            trailers: Headers::default(),
            timeout: None,
        };
        let grpc = |service: String, service_name: String, method_name: String| {
            CalloutRequest::GrpcStream {
                service: GrpcService::parse(service.into()).unwrap(),
                service_name,
                method_name,
                initial_metadata: Headers::default(),
            }
        };
        let short = || "n".to_owned();
        for request in [
            http,
            grpc(long(), short(), short()),
            grpc(short(), long(), short()),
            grpc(short(), short(), long()),
        ] {
            let refused = callouts.start(CalloutKind::Http, 0, "p".into(), request, &limits);
            assert_eq!(refused, Err(Refused::Limit("body_bytes")));
        }
    }
}
