//! The guest's exports that the host calls, looked up once for each VM. An export that is missing is skipped, as in Envoy; one
//! with another signature than its ABI version's is an error.

use wasmtime::{Instance, Store, TypedFunc, WasmParams, WasmResults};

use crate::abi::AbiVersion;
use crate::error::StartError;
use crate::state::HostState;

pub(crate) type Create = TypedFunc<(u32, u32), ()>;
pub(crate) type Notify = TypedFunc<u32, ()>;
pub(crate) type NotifyWith = TypedFunc<(u32, u32), ()>;
pub(crate) type Ask = TypedFunc<u32, u32>;
pub(crate) type AskWith = TypedFunc<(u32, u32), u32>;
pub(crate) type Body = TypedFunc<(u32, u32, u32), u32>;

/// Header callbacks got a third parameter, `end_of_stream`, with ABI 0.2.0.
pub(crate) enum HeadersCallback {
    Old(AskWith),
    New(Body),
}

/// A callback and its name for reports.
pub(crate) struct Export<F> {
    pub(crate) name: &'static str,
    pub(crate) function: Option<F>,
}

pub(crate) struct Callbacks {
    pub(crate) context_create: Export<Create>,
    pub(crate) vm_start: Export<AskWith>,
    pub(crate) configure: Export<AskWith>,
    pub(crate) tick: Export<Notify>,
    pub(crate) queue_ready: Export<NotifyWith>,
    pub(crate) request_headers: Export<HeadersCallback>,
    pub(crate) request_body: Export<Body>,
    pub(crate) request_trailers: Export<AskWith>,
    pub(crate) response_headers: Export<HeadersCallback>,
    pub(crate) response_body: Export<Body>,
    pub(crate) response_trailers: Export<AskWith>,
    pub(crate) done: Export<Ask>,
    pub(crate) log: Export<Notify>,
    pub(crate) delete: Export<Notify>,
}

/// Looks exports up in one instance.
pub(crate) struct Lookup<'a> {
    pub(crate) module: &'a str,
    pub(crate) instance: Instance,
    pub(crate) store: &'a mut Store<HostState>,
}

impl Lookup<'_> {
    pub(crate) fn find<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &'static str,
    ) -> Result<Export<TypedFunc<P, R>>, StartError> {
        let function = match self.instance.get_func(&mut *self.store, name) {
            None => None,
            Some(function) => Some(function.typed(&*self.store).map_err(|error| StartError::Signature {
                module: self.module.to_owned(),
                export: name,
                error,
            })?),
        };
        Ok(Export { name, function })
    }

    fn headers(&mut self, name: &'static str, abi: AbiVersion) -> Result<Export<HeadersCallback>, StartError> {
        let function = match abi {
            AbiVersion::V0_1_0 => self.find(name)?.function.map(HeadersCallback::Old),
            AbiVersion::V0_2_0 | AbiVersion::V0_2_1 => self.find(name)?.function.map(HeadersCallback::New),
        };
        Ok(Export { name, function })
    }

    pub(crate) fn callbacks(&mut self, abi: AbiVersion) -> Result<Callbacks, StartError> {
        Ok(Callbacks {
            context_create: self.find("proxy_on_context_create")?,
            vm_start: self.find("proxy_on_vm_start")?,
            configure: self.find("proxy_on_configure")?,
            tick: self.find("proxy_on_tick")?,
            queue_ready: self.find("proxy_on_queue_ready")?,
            request_headers: self.headers("proxy_on_request_headers", abi)?,
            request_body: self.find("proxy_on_request_body")?,
            request_trailers: self.find("proxy_on_request_trailers")?,
            response_headers: self.headers("proxy_on_response_headers", abi)?,
            response_body: self.find("proxy_on_response_body")?,
            response_trailers: self.find("proxy_on_response_trailers")?,
            done: self.find("proxy_on_done")?,
            log: self.find("proxy_on_log")?,
            delete: self.find("proxy_on_delete")?,
        })
    }
}
