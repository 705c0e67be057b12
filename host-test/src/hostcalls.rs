//! The hostcalls of proxy-wasm: one table of names, versions and signatures, and one file per
//! family that serves them. What the table does not list is not served: such an import answers
//! `Unimplemented` and is named in the capability report.

mod assemblyscript;
mod buffers;
mod contexts;
mod foreign;
mod grpc;
mod headers;
mod http_call;
mod logging;
mod metrics;
mod properties;
mod queues;
mod shared_data;
mod streams;
mod time;

use wasmtime::{Caller, Linker};

use crate::abi::AbiVersion::{self, V0_1_0, V0_2_0, V0_2_1};
use crate::state::HostState;

type Guest<'a, 'b> = &'a mut Caller<'b, HostState>;

/// A hostcall that this host serves.
///
/// ```
/// use gatepost_host::{AbiVersion, HOSTCALLS};
///
/// let call = HOSTCALLS.iter().find(|call| call.name == "proxy_increment_metric").unwrap();
/// assert_eq!((call.params, call.results), ("iI", "i")); // (i32, i64) -> i32
/// assert_eq!(call.since, AbiVersion::V0_1_0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hostcall {
    /// The import's name in the module `env`.
    pub name: &'static str,
    /// The first ABI version that has it.
    pub since: AbiVersion,
    /// The last ABI version that has it.
    pub until: AbiVersion,
    /// Its parameters: `i` for an i32, `I` for an i64, `F` for an f64.
    pub params: &'static str,
    /// Its results, in the same letters.
    pub results: &'static str,
}

const fn all(name: &'static str, params: &'static str) -> Hostcall {
    Hostcall { name, since: V0_1_0, until: V0_2_1, params, results: "i" }
}

const fn from(since: AbiVersion, name: &'static str, params: &'static str) -> Hostcall {
    Hostcall { name, since, until: V0_2_1, params, results: "i" }
}

const fn old(name: &'static str, params: &'static str) -> Hostcall {
    Hostcall { name, since: V0_1_0, until: V0_1_0, params, results: "i" }
}

/// Every hostcall that is served.
///
/// ```
/// use gatepost_host::{AbiVersion, HOSTCALLS};
///
/// let served = |abi: AbiVersion| HOSTCALLS.iter().filter(move |call| (call.since..=call.until).contains(&abi));
/// let newest: Vec<_> = served(AbiVersion::V0_2_1).map(|call| call.name).collect();
/// assert!(newest.contains(&"proxy_continue_stream"));
/// assert!(!newest.contains(&"proxy_continue_request")); // 0.1.0 only
/// ```
pub const HOSTCALLS: &[Hostcall] = &[
    // logging
    all("proxy_log", "iii"),
    from(V0_2_1, "proxy_get_log_level", "i"),
    // time
    all("proxy_get_current_time_nanoseconds", "i"),
    all("proxy_set_tick_period_milliseconds", "i"),
    // headers
    all("proxy_get_header_map_value", "iiiii"),
    all("proxy_add_header_map_value", "iiiii"),
    all("proxy_replace_header_map_value", "iiiii"),
    all("proxy_remove_header_map_value", "iii"),
    all("proxy_get_header_map_pairs", "iii"),
    all("proxy_set_header_map_pairs", "iii"),
    all("proxy_get_header_map_size", "ii"),
    // buffers
    all("proxy_get_buffer_bytes", "iiiii"),
    all("proxy_set_buffer_bytes", "iiiii"),
    all("proxy_get_buffer_status", "iii"),
    old("proxy_get_configuration", "ii"),
    // properties
    all("proxy_get_property", "iiii"),
    all("proxy_set_property", "iiii"),
    // metrics
    all("proxy_define_metric", "iiii"),
    all("proxy_increment_metric", "iI"),
    all("proxy_record_metric", "iI"),
    all("proxy_get_metric", "ii"),
    // streams
    all("proxy_send_local_response", "iiiiiiii"),
    from(V0_2_0, "proxy_continue_stream", "i"),
    from(V0_2_0, "proxy_close_stream", "i"),
    old("proxy_continue_request", ""),
    old("proxy_continue_response", ""),
    old("proxy_clear_route_cache", ""),
    // contexts
    all("proxy_set_effective_context", "i"),
    all("proxy_done", ""),
    all("proxy_get_status", "iii"),
    // callouts
    all("proxy_http_call", "iiiiiiiiii"),
    all("proxy_grpc_call", "iiiiiiiiiiii"),
    all("proxy_grpc_stream", "iiiiiiiii"),
    all("proxy_grpc_send", "iiii"),
    all("proxy_grpc_close", "i"),
    all("proxy_grpc_cancel", "i"),
    // foreign functions
    all("proxy_call_foreign_function", "iiiiii"),
    // shared data
    all("proxy_get_shared_data", "iiiii"),
    all("proxy_set_shared_data", "iiiii"),
    // shared queues
    all("proxy_register_shared_queue", "iii"),
    all("proxy_resolve_shared_queue", "iiiii"),
    all("proxy_enqueue_shared_queue", "iii"),
    all("proxy_dequeue_shared_queue", "iii"),
    // what Emscripten's runtime asks of `env`, as Envoy serves it
    all("pthread_equal", "ii"),
    Hostcall {
        name: "emscripten_notify_memory_growth",
        since: V0_1_0,
        until: V0_2_1,
        params: "i",
        results: "",
    },
    // what AssemblyScript's runtime asks of `env`
    Hostcall { name: "abort", since: V0_1_0, until: V0_2_1, params: "iiii", results: "" },
    Hostcall { name: "seed", since: V0_1_0, until: V0_2_1, params: "", results: "F" },
];

/// Defines every hostcall of a version.
pub(crate) fn link(linker: &mut Linker<HostState>, abi: AbiVersion) -> wasmtime::Result<()> {
    logging::link(linker, abi)?;
    time::link(linker)?;
    headers::link(linker)?;
    buffers::link(linker, abi)?;
    properties::link(linker)?;
    metrics::link(linker)?;
    streams::link(linker, abi)?;
    contexts::link(linker)?;
    http_call::link(linker)?;
    grpc::link(linker)?;
    foreign::link(linker)?;
    shared_data::link(linker)?;
    queues::link(linker)?;
    assemblyscript::link(linker)?;
    linker.func_wrap("env", "pthread_equal", |left: u32, right: u32| u32::from(left == right))?;
    linker.func_wrap("env", "emscripten_notify_memory_growth", |_memory: u32| {})?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wasmtime::{Engine, Extern, Store, ValType};

    use super::*;
    use crate::state::Host;

    fn letters(types: impl Iterator<Item = ValType>) -> String {
        let letter = |ty: ValType| match ty {
            ValType::I64 => 'I',
            ValType::F64 => 'F',
            _ => 'i',
        };
        types.map(letter).collect()
    }

    #[test]
    fn the_documentation_has_every_hostcall_with_its_versions() {
        let documented: BTreeSet<(&str, String)> = include_str!("../../docs/host/abi.md")
            .lines()
            .filter_map(|row| {
                let mut cells = row.split('|').skip(1).map(str::trim);
                let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
                let versions = cells.next().filter(|versions| versions.starts_with("0."))?;
                Some((name, versions.to_owned()))
            })
            .collect();
        let versions = |call: &Hostcall| match (call.since, call.until) {
            (since, until) if since == until => since.to_string(),
            (since, until) => format!("{since} – {until}"),
        };
        let served: BTreeSet<(&str, String)> =
            HOSTCALLS.iter().map(|call| (call.name, versions(call))).collect();
        assert_eq!(documented, served);
    }

    #[test]
    fn the_table_is_what_the_linker_defines_for_each_version() {
        let engine = Engine::default();
        for abi in AbiVersion::ALL {
            let mut linker = Linker::new(&engine);
            link(&mut linker, abi).unwrap();
            let state = HostState::new(abi, Host::default(), crate::vm::VmOptions::default());
            let mut store = Store::new(&engine, state);
            let defined: BTreeSet<(String, String, String)> = linker
                .iter(&mut store)
                .map(|(_, name, item)| (name.to_owned(), item))
                .collect::<Vec<_>>()
                .into_iter()
                .map(|(name, item)| {
                    let Extern::Func(function) = item else { panic!("{name} is no function") };
                    let ty = function.ty(&store);
                    (name, letters(ty.params()), letters(ty.results()))
                })
                .collect();
            let listed: BTreeSet<_> = HOSTCALLS
                .iter()
                .filter(|call| (call.since..=call.until).contains(&abi))
                .map(|call| (call.name.to_owned(), call.params.to_owned(), call.results.to_owned()))
                .collect();
            assert_eq!(defined, listed, "ABI {abi}");
        }
    }
}
