//! Callouts of a VM: handing out what guests want sent, and telling them what came back.

use bytes::Bytes;

use super::{Vm, byte_len};
use crate::callout::{
    CalloutAnswer, CalloutKind, CalloutStatus, CalloutToken, Delivery, VmCallout,
};
use crate::error::CallError;
use crate::grpc::UNAVAILABLE;
use crate::headers::Headers;
use crate::state::Place;

/// The status of a failed HTTP call: `BrokenConnection`.
const BROKEN: u32 = 11;

impl Vm {
    /// Takes what guests have wanted sent since the last question, in order.
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
    /// assert_eq!(vm.take_callouts().len(), 1);
    /// assert_eq!(vm.take_callouts().len(), 0);
    /// assert!(vm.has_callouts()); // it waits for the answer
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_callouts(&mut self) -> Vec<VmCallout> {
        self.core.store.data_mut().callouts.take()
    }

    /// Whether a guest waits for an answer, or wants something sent.
    #[must_use]
    pub fn has_callouts(&self) -> bool {
        !self.core.store.data().callouts.is_empty()
    }

    /// Whether the guest still waits for an answer to this callout.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// let callout = vm.take_callouts().remove(0);
    /// assert!(vm.awaits(callout.token));
    /// vm.answer(callout.token, CalloutAnswer::Failed)?;
    /// assert!(!vm.awaits(callout.token));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn awaits(&self, token: CalloutToken) -> bool {
        self.core.store.data().callouts.find(token).is_some()
    }

    /// Tells a guest what came back for a callout: `proxy_on_http_call_response` or one of
    /// `proxy_on_grpc_*`, on the root context.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig { name: "auth".into(), ..PluginConfig::default() })?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// let callout = vm.take_callouts().remove(0);
    /// vm.answer(callout.token, CalloutAnswer::http(Headers::response([(":status", "200")]), "ok"))?;
    /// let again = vm.answer(callout.token, CalloutAnswer::Failed);
    /// assert!(matches!(again, Err(CallError::UnknownCallout { token: 1 })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CallError::UnknownCallout`] when the guest waits for none such: it was cancelled, or
    /// answered before, or the answer is of another kind. When the guest traps.
    pub fn answer(&mut self, token: CalloutToken, answer: CalloutAnswer) -> Result<(), CallError> {
        self.core.check()?;
        let unknown = || CallError::UnknownCallout { token: token.token };
        let open = self.core.store.data().callouts.find(token).ok_or_else(unknown)?;
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
        // The message goes with the callback, the number stays.
        self.core.store.data_mut().callout_status.message = Bytes::new();
        answered?;
        self.reap()
    }

    /// Tells guests of the gRPC calls that they made to unknown clusters: `proxy_on_grpc_close`
    /// with `UNAVAILABLE`, once the callback is over in which the hostcall answered
    /// `InternalFailure`. Nothing of such a call is in [`take_callouts`](Self::take_callouts).
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/grpc.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "grpc", &wasm)?;
    /// # let clusters = Clusters::Only(std::sync::Arc::from(["shop".to_owned()]));
    /// # let mut vm = Vm::new(&module, Host { clusters, ..Host::default() }, VmOptions::default())?;
    /// # let plugin = vm.start_plugin(PluginConfig::default())?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// // This guest calls a cluster that is not there, and answers 429 when it hears of the failure.
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
        for token in self.core.store.data_mut().callouts.take_refused() {
            let message = "Cluster not available".to_owned();
            match self.answer(token, CalloutAnswer::GrpcClose { status: UNAVAILABLE, message }) {
                Ok(()) | Err(CallError::UnknownCallout { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn close(&mut self, token: CalloutToken) {
        self.core.store.data_mut().callouts.remote_closed(token);
    }

    fn status(&mut self, code: u32, message: Bytes) {
        self.core.store.data_mut().callout_status = CalloutStatus { code, message };
    }

    fn root_context(&self, slot: u32) -> u32 {
        self.core.store.data().roots.get(slot as usize).map_or(0, |root| root.context)
    }

    fn http_answer(
        &mut self,
        root: u32,
        token: CalloutToken,
        (headers, body, trailers): (u32, u32, u32),
        delivery: Option<Delivery>,
    ) -> Result<(), CallError> {
        let params = (self.root_context(root), token.token, headers, body, trailers);
        self.core.store.data_mut().delivery = delivery.map(|delivery| (root, delivery));
        let called =
            self.core.notify(&self.callbacks.http_call_response, Place::Root(root), params);
        self.core.store.data_mut().delivery = None;
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
        self.core.store.data_mut().delivery = delivery.map(|delivery| (root, delivery));
        let called = self.core.call(name, Place::Root(root), &function, params);
        self.core.store.data_mut().delivery = None;
        called
    }
}

fn count(headers: &Headers) -> u32 {
    u32::try_from(headers.len()).unwrap_or(u32::MAX)
}
