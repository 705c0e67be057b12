//! The guest's exports that the host calls, looked up once for each VM. As in Envoy, a missing
//! export is skipped; one with another signature than its ABI version's is an error.

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
pub(crate) type NotifyWithTwo = TypedFunc<(u32, u32, u32), ()>;
pub(crate) type HttpCallResponse = TypedFunc<(u32, u32, u32, u32, u32), ()>;

/// Since ABI 0.2.0, header callbacks have a third parameter, `end_of_stream`.
pub(crate) enum HeadersCallback {
    Old(AskWith),
    New(Body),
}

/// A callback, and its name for reports.
pub(crate) struct Export<F> {
    pub(crate) name: &'static str,
    pub(crate) function: Option<F>,
}

/// The callbacks of one instance.
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
    pub(crate) http_call_response: Export<HttpCallResponse>,
    pub(crate) grpc_receive_initial_metadata: Export<NotifyWithTwo>,
    pub(crate) grpc_receive: Export<NotifyWithTwo>,
    pub(crate) grpc_receive_trailing_metadata: Export<NotifyWithTwo>,
    pub(crate) grpc_close: Export<NotifyWithTwo>,
    pub(crate) new_connection: Export<Ask>,
    pub(crate) downstream_data: Export<Body>,
    pub(crate) upstream_data: Export<Body>,
    pub(crate) downstream_connection_close: Export<NotifyWith>,
    pub(crate) upstream_connection_close: Export<NotifyWith>,
    pub(crate) foreign_function: Export<NotifyWithTwo>,
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
            Some(function) => Some(function.typed(&*self.store).map_err(|error| {
                StartError::Signature { module: self.module.to_owned(), export: name, error }
            })?),
        };
        Ok(Export { name, function })
    }

    fn headers(
        &mut self,
        name: &'static str,
        abi: AbiVersion,
    ) -> Result<Export<HeadersCallback>, StartError> {
        let function = match abi {
            AbiVersion::V0_1_0 => self.find(name)?.function.map(HeadersCallback::Old),
            AbiVersion::V0_2_0 | AbiVersion::V0_2_1 => {
                self.find(name)?.function.map(HeadersCallback::New)
            }
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
            http_call_response: self.find("proxy_on_http_call_response")?,
            grpc_receive_initial_metadata: self.find("proxy_on_grpc_receive_initial_metadata")?,
            grpc_receive: self.find("proxy_on_grpc_receive")?,
            grpc_receive_trailing_metadata: self.find("proxy_on_grpc_receive_trailing_metadata")?,
            grpc_close: self.find("proxy_on_grpc_close")?,
            new_connection: self.find("proxy_on_new_connection")?,
            downstream_data: self.find("proxy_on_downstream_data")?,
            upstream_data: self.find("proxy_on_upstream_data")?,
            downstream_connection_close: self.find("proxy_on_downstream_connection_close")?,
            upstream_connection_close: self.find("proxy_on_upstream_connection_close")?,
            foreign_function: self.find("proxy_on_foreign_function")?,
            done: self.find("proxy_on_done")?,
            log: self.find("proxy_on_log")?,
            delete: self.find("proxy_on_delete")?,
        })
    }
}

/// Every export that the host calls, with the names of its parameters after the context.
pub(crate) const CALLBACKS: &[(&str, &[&str])] = &[
    ("_initialize", &[]),
    ("_start", &[]),
    ("main", &[]),
    ("malloc", &[]),
    ("proxy_on_memory_allocate", &[]),
    ("proxy_on_context_create", &["parent_context"]),
    ("proxy_on_vm_start", &["vm_configuration_size"]),
    ("proxy_on_configure", &["plugin_configuration_size"]),
    ("proxy_on_tick", &[]),
    ("proxy_on_queue_ready", &["queue"]),
    ("proxy_on_request_headers", &["headers", "end_of_stream"]),
    ("proxy_on_request_body", &["body_size", "end_of_stream"]),
    ("proxy_on_request_trailers", &["trailers"]),
    ("proxy_on_response_headers", &["headers", "end_of_stream"]),
    ("proxy_on_response_body", &["body_size", "end_of_stream"]),
    ("proxy_on_response_trailers", &["trailers"]),
    ("proxy_on_http_call_response", &["token", "headers", "body_size", "trailers"]),
    ("proxy_on_grpc_receive_initial_metadata", &["token", "headers"]),
    ("proxy_on_grpc_receive", &["token", "message_size"]),
    ("proxy_on_grpc_receive_trailing_metadata", &["token", "trailers"]),
    ("proxy_on_grpc_close", &["token", "status"]),
    ("proxy_on_new_connection", &[]),
    ("proxy_on_downstream_data", &["data_size", "end_of_stream"]),
    ("proxy_on_upstream_data", &["data_size", "end_of_stream"]),
    ("proxy_on_downstream_connection_close", &["close_type"]),
    ("proxy_on_upstream_connection_close", &["close_type"]),
    ("proxy_on_foreign_function", &["function", "arguments_size"]),
    ("proxy_on_done", &[]),
    ("proxy_on_log", &[]),
    ("proxy_on_delete", &[]),
];

/// The names of a callback's parameters after the context.
pub(crate) fn parameters(callback: &str) -> &'static [&'static str] {
    CALLBACKS.iter().find(|(name, _)| *name == callback).map_or(&[], |(_, names)| names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_export_that_is_called() {
        let (_, table) =
            include_str!("../../docs/host/abi.md").split_once("\n## Exports\n").unwrap();
        let mut documented: Vec<&str> = table
            .lines()
            .filter_map(|row| row.strip_prefix("| `")?.split_once('`').map(|(name, _)| name))
            .collect();
        let mut called: Vec<&str> = CALLBACKS.iter().map(|(name, _)| *name).collect();
        called.sort_unstable();
        documented.sort_unstable();
        assert_eq!(documented, called);
    }
}
