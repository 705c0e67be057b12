//! The hostcalls of proxy-wasm: one file for each family, with the rows that declare its hostcalls
//! and the functions that serve them. An import that no row names answers `Unimplemented`, and
//! is listed in the capability report.
//!
//! To add a hostcall, add its row and its function to the file of its family, its line to
//! `docs/host/abi.md`, and a test. A new family is also added to [`FAMILIES`].

mod assemblyscript;
mod buffers;
mod contexts;
mod definition;
mod emscripten;
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

use std::sync::LazyLock;

use wasmtime::Linker;

use self::definition::Definition;
pub use self::definition::Hostcall;
use crate::abi::AbiVersion;
use crate::state::HostState;

/// Every family, in the order of [`HOSTCALLS`].
const FAMILIES: [&[Definition]; 15] = [
    logging::FAMILY,
    time::FAMILY,
    headers::FAMILY,
    buffers::FAMILY,
    properties::FAMILY,
    metrics::FAMILY,
    streams::FAMILY,
    contexts::FAMILY,
    http_call::FAMILY,
    grpc::FAMILY,
    foreign::FAMILY,
    shared_data::FAMILY,
    queues::FAMILY,
    emscripten::FAMILY,
    assemblyscript::FAMILY,
];

/// Every hostcall that is served.
///
/// ```
/// use gatepost_host::{AbiVersion, HOSTCALLS};
///
/// let in_version = |abi: AbiVersion| {
///     let served = HOSTCALLS.iter().filter(move |call| (call.since..=call.until).contains(&abi));
///     served.map(|call| call.name).collect::<Vec<_>>()
/// };
/// assert!(in_version(AbiVersion::V0_1_0).contains(&"proxy_continue_request"));
/// assert!(in_version(AbiVersion::V0_2_1).contains(&"proxy_continue_stream"));
/// ```
pub static HOSTCALLS: LazyLock<Vec<Hostcall>> =
    LazyLock::new(|| definitions().map(|definition| definition.hostcall).collect());

fn definitions() -> impl Iterator<Item = &'static Definition> {
    FAMILIES.into_iter().flatten()
}

/// Defines every hostcall of a version.
pub(crate) fn link(linker: &mut Linker<HostState>, abi: AbiVersion) -> wasmtime::Result<()> {
    definitions()
        .filter(|definition| definition.hostcall.is_in(abi))
        .try_for_each(|definition| (definition.link)(linker))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wasmtime::{Engine, Extern, Store, ValType};

    use super::*;
    use crate::host::Host;
    use crate::vm_options::VmOptions;

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
            let state = HostState::new(abi, Host::default(), VmOptions::default());
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
                .filter(|call| call.is_in(abi))
                .map(|call| (call.name.to_owned(), call.params.to_owned(), call.results.to_owned()))
                .collect();
            assert_eq!(defined, listed, "ABI {abi}");
        }
    }
}
