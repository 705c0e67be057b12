//! Callouts of a VM: taking the requests of its guests, and delivering the answers.

use bytes::Bytes;

use super::instance::{Vm, byte_len};
use crate::callout::{
    CalloutAnswer, CalloutKind, CalloutStatus, CalloutToken, Delivery, VmCallout,
};
use crate::contexts::ContextRef;
use crate::error::CallError;
use crate::grpc::UNAVAILABLE;
use crate::headers::Headers;

/// The status of a failed HTTP call: `BrokenConnection`.
const BROKEN: u32 = 11;

impl Vm {
    /// Takes the requests that guests have made since the last call, in order.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// let _ = vm.request_headers(stream, &mut headers, true)?; // this guest makes a call
    /// assert_eq!(vm.take_callouts().len(), 1);
    /// assert_eq!(vm.take_callouts().len(), 0);
    /// assert!(vm.has_callouts()); // the guest waits for the answer
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_callouts(&mut self) -> Vec<VmCallout> {
        self.guest.store.data_mut().callouts.take()
    }

    /// Whether there are requests that [`take_callouts`](Self::take_callouts) has not returned yet.
    pub(crate) fn has_new_callouts(&self) -> bool {
        self.guest.store.data().callouts.has_new()
    }

    /// How many callouts wait for an answer.
    pub(crate) fn open_callouts(&self) -> usize {
        self.guest.store.data().callouts.open_count()
    }

    /// Whether a guest waits for an answer, or has made a request that was not taken.
    #[must_use]
    pub fn has_callouts(&self) -> bool {
        !self.guest.store.data().callouts.is_empty()
    }

    /// Whether the guest still waits for an answer to this callout.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// let callout = vm.take_callouts().remove(0);
    /// assert!(vm.awaits(callout.token));
    /// vm.answer(callout.token, CalloutAnswer::Failed)?;
    /// assert!(!vm.awaits(callout.token));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn awaits(&self, token: CalloutToken) -> bool {
        self.guest.store.data().callouts.find(token).is_some()
    }

    /// Delivers the answer of a callout to its guest: `proxy_on_http_call_response` or one of
    /// `proxy_on_grpc_*`, on the root context.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let (mut vm, stream) = opened("auth");
    /// # let mut headers = request();
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// let callout = vm.take_callouts().remove(0);
    /// let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "ok");
    /// vm.answer(callout.token, answer)?;
    /// let again = vm.answer(callout.token, CalloutAnswer::Failed);
    /// assert!(matches!(again, Err(CallError::UnknownCallout { token: 4 })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CallError::UnknownCallout`] when the guest does not wait for such an answer: the callout
    /// was cancelled or answered, or the answer is of another kind. When the guest traps.
    pub fn answer(&mut self, token: CalloutToken, answer: CalloutAnswer) -> Result<(), CallError> {
        self.guest.check()?;
        let unknown = || CallError::UnknownCallout { token: token.token };
        let open = self.guest.store.data().callouts.find(token).ok_or_else(unknown)?;
        let answered = match (token.kind, answer) {
            (CalloutKind::Http, CalloutAnswer::Http { headers, body, trailers }) => {
                self.close(token);
                let sizes = (count(&headers), byte_len(&body), count(&trailers));
                self.http_answer(
                    open.root,
                    token,
                    sizes,
                    Some(Delivery::Http { headers, body, trailers }),
                )
            }
            (CalloutKind::Http, CalloutAnswer::Failed) => {
                self.close(token);
                self.status(BROKEN, Bytes::from_static(b"reset"));
                self.http_answer(open.root, token, (0, 0, 0), None)
            }
            (CalloutKind::GrpcStream, CalloutAnswer::GrpcInitialMetadata(map)) => {
                let export = |vm: &Vm| vm.callbacks.grpc_receive_initial_metadata.function.clone();
                let count = count(&map);
                self.grpc(
                    open.root,
                    token,
                    "proxy_on_grpc_receive_initial_metadata",
                    export,
                    count,
                    Some(Delivery::InitialMetadata(map)),
                )
            }
            (
                CalloutKind::GrpcCall | CalloutKind::GrpcStream,
                CalloutAnswer::GrpcMessage(message),
            ) => {
                if token.kind == CalloutKind::GrpcCall {
                    self.close(token);
                }
                let export = |vm: &Vm| vm.callbacks.grpc_receive.function.clone();
                let size = byte_len(&message);
                self.grpc(
                    open.root,
                    token,
                    "proxy_on_grpc_receive",
                    export,
                    size,
                    Some(Delivery::Message(message)),
                )
            }
            (CalloutKind::GrpcStream, CalloutAnswer::GrpcTrailingMetadata(map)) => {
                let export = |vm: &Vm| vm.callbacks.grpc_receive_trailing_metadata.function.clone();
                let count = count(&map);
                self.grpc(
                    open.root,
                    token,
                    "proxy_on_grpc_receive_trailing_metadata",
                    export,
                    count,
                    Some(Delivery::TrailingMetadata(map)),
                )
            }
            (
                CalloutKind::GrpcCall | CalloutKind::GrpcStream,
                CalloutAnswer::GrpcClose { status, message },
            ) => self.grpc_close(open.root, token, status, message.into()),
            (CalloutKind::GrpcCall | CalloutKind::GrpcStream, CalloutAnswer::Failed) => {
                self.grpc_close(open.root, token, UNAVAILABLE, Bytes::from_static(b"reset"))
            }
            _ => return Err(unknown()),
        };
        // The message is valid for the callback only; the code stays.
        self.guest.store.data_mut().callout_status.message = Bytes::new();
        answered?;
        self.delete_done_plugins()
    }

    /// Fails the gRPC calls that guests made to unknown clusters: `proxy_on_grpc_close` with
    /// `UNAVAILABLE`. Call it after every callback. The hostcall has answered `InternalFailure`,
    /// and such a call is never in [`take_callouts`](Self::take_callouts).
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let clusters = Clusters::Only(std::sync::Arc::from(["shop".to_owned()]));
    /// # let host = Host { clusters, ..Host::default() };
    /// # let (mut vm, plugin) = started_with("grpc", host);
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = request();
    /// // This guest calls an unknown cluster, and answers 429 when the call fails.
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// assert!(vm.take_callouts().is_empty());
    /// vm.fail_refused_callouts()?;
    /// assert_eq!(vm.take_local_reply(stream)?.unwrap().status, 429);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the guest traps.
    pub fn fail_refused_callouts(&mut self) -> Result<(), CallError> {
        for token in self.guest.store.data_mut().callouts.take_refused() {
            let message = "Cluster not available".to_owned();
            match self.answer(token, CalloutAnswer::GrpcClose { status: UNAVAILABLE, message }) {
                Ok(()) | Err(CallError::UnknownCallout { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn close(&mut self, token: CalloutToken) {
        self.guest.store.data_mut().callouts.remote_closed(token);
    }

    fn status(&mut self, code: u32, message: Bytes) {
        self.guest.store.data_mut().callout_status = CalloutStatus { code, message };
    }

    fn root_context(&self, slot: u32) -> u32 {
        self.guest.store.data().contexts.roots.get(slot as usize).map_or(0, |root| root.context)
    }

    fn http_answer(
        &mut self,
        root: u32,
        token: CalloutToken,
        (headers, body, trailers): (u32, u32, u32),
        delivery: Option<Delivery>,
    ) -> Result<(), CallError> {
        let params = (self.root_context(root), token.token, headers, body, trailers);
        self.guest.store.data_mut().delivery = delivery.map(|delivery| (root, delivery));
        let called =
            self.guest.notify(&self.callbacks.http_call_response, ContextRef::Root(root), params);
        self.guest.store.data_mut().delivery = None;
        called
    }

    fn grpc_close(
        &mut self,
        root: u32,
        token: CalloutToken,
        status: u32,
        message: Bytes,
    ) -> Result<(), CallError> {
        self.close(token);
        self.status(status, message);
        let export = |vm: &Vm| vm.callbacks.grpc_close.function.clone();
        self.grpc(root, token, "proxy_on_grpc_close", export, status, None)
    }

    fn grpc(
        &mut self,
        root: u32,
        token: CalloutToken,
        name: &'static str,
        export: impl FnOnce(&Vm) -> Option<crate::callbacks::NotifyWithTwo>,
        argument: u32,
        delivery: Option<Delivery>,
    ) -> Result<(), CallError> {
        let Some(function) = export(self) else { return Ok(()) };
        let params = (self.root_context(root), token.token, argument);
        self.guest.store.data_mut().delivery = delivery.map(|delivery| (root, delivery));
        let called = self.guest.call(name, ContextRef::Root(root), &function, params);
        self.guest.store.data_mut().delivery = None;
        called
    }
}

fn count(headers: &Headers) -> u32 {
    u32::try_from(headers.len()).unwrap_or(u32::MAX)
}
