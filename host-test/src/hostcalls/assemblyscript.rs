//! Functions that AssemblyScript's runtime imports from `env`, in modules built without the flags
//! that remove them: `abort`, and `seed` for `Math.random`. Envoy has neither, and does not load
//! such a module. They answer no status and are not recorded.

use wasmtime::Caller;

use super::definition::{Definition, Hostcall};
use crate::abi::AbiVersion::{V0_1_0, V0_2_1};
use crate::clock::RandomUnavailable;
use crate::memory::{Guest, parts, read_u32, slice};
use crate::state::HostState;

pub(super) const FAMILY: &[Definition] = &[
    Definition {
        hostcall: Hostcall {
            name: "abort",
            since: V0_1_0,
            until: V0_2_1,
            params: "iiii",
            results: "",
        },
        link: |linker| linker.func_wrap("env", "abort", abort).map(drop),
    },
    Definition {
        hostcall: Hostcall { name: "seed", since: V0_1_0, until: V0_2_1, params: "", results: "F" },
        link: |linker| {
            let seed =
                |mut guest: Caller<'_, HostState>| seed(&mut guest).map_err(wasmtime::Error::new);
            linker.func_wrap("env", "seed", seed).map(drop)
        },
    },
];

/// The guest gave up: an assertion failed, an index was out of range, or it threw.
#[derive(Clone, Debug, thiserror::Error)]
#[error("abort: {message}, at {file}:{line}:{column}")]
struct Abort {
    message: String,
    file: String,
    line: u32,
    column: u32,
}

fn abort(
    mut guest: Caller<'_, HostState>,
    message: u32,
    file: u32,
    line: u32,
    column: u32,
) -> wasmtime::Result<()> {
    let message = string(&mut guest, message).unwrap_or_else(|| "without a message".to_owned());
    let file = string(&mut guest, file).unwrap_or_else(|| "unknown file".to_owned());
    Err(wasmtime::Error::new(Abort { message, file, line, column }))
}

/// A string of the guest's runtime: UTF-16, with its length in bytes in the word before it. None
/// for null, or for a pointer outside of memory. It becomes part of an error, so it is cut to the
/// length of a log line.
fn string(guest: Guest<'_, '_>, pointer: u32) -> Option<String> {
    let (memory, state) = parts(guest).ok()?;
    let bytes = read_u32(memory, pointer.checked_sub(4)?).ok()?;
    let text = slice(memory, (pointer, bytes)).ok()?;
    let text = text.get(..state.limits.log_bytes).unwrap_or(text);
    let (units, _) = text.as_chunks::<2>();
    Some(
        char::decode_utf16(units.iter().copied().map(u16::from_le_bytes))
            .map(|c| c.unwrap_or('\u{FFFD}'))
            .collect(),
    )
}

/// A whole number that an f64 holds exactly.
fn seed(guest: Guest<'_, '_>) -> Result<f64, RandomUnavailable> {
    let mut bits = [0; 4];
    guest.data_mut().random.fill(&mut bits)?;
    Ok(f64::from(u32::from_le_bytes(bits)))
}
