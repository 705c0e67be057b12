//! What modules of AssemblyScript ask of `env` when they are built without the flags that take it
//! out: a way to abort and a seed for `Math.random`. Envoy has neither and does not load such a
//! module.

use wasmtime::{Caller, Linker};

use super::Guest;
use crate::clock::RandomUnavailable;
use crate::memory::{parts, read_u32, slice};
use crate::state::HostState;

/// The guest gave up: a failed assertion, an index out of range, a `throw`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("abort: {message}, at {file}:{line}:{column}")]
struct Abort {
    message: String,
    file: String,
    line: u32,
    column: u32,
}

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "abort",
        |mut guest: Caller<'_, HostState>,
         message: u32,
         file: u32,
         line: u32,
         column: u32|
         -> wasmtime::Result<()> {
            let message =
                string(&mut guest, message).unwrap_or_else(|| "without a message".to_owned());
            let file = string(&mut guest, file).unwrap_or_else(|| "unknown file".to_owned());
            Err(wasmtime::Error::new(Abort { message, file, line, column }))
        },
    )?;
    linker.func_wrap("env", "seed", |mut guest: Caller<'_, HostState>| {
        seed(&mut guest).map_err(wasmtime::Error::new)
    })?;
    Ok(())
}

/// A string of the guest's runtime: UTF-16, its bytes counted in the word before it. None for null,
/// or a pointer that is wild. It goes into an error, so that it is as long as a log line at most.
fn string(guest: Guest<'_, '_>, pointer: u32) -> Option<String> {
    let (memory, state) = parts(guest).ok()?;
    let bytes = read_u32(memory, pointer.checked_sub(4)?).ok()?;
    let text = slice(memory, pointer, bytes).ok()?;
    let text = text.get(..state.limits.log_bytes).unwrap_or(text);
    let (units, _) = text.as_chunks::<2>();
    Some(
        char::decode_utf16(units.iter().copied().map(u16::from_le_bytes))
            .map(|c| c.unwrap_or('\u{FFFD}'))
            .collect(),
    )
}

/// A whole number that a float holds exactly.
fn seed(guest: Guest<'_, '_>) -> Result<f64, RandomUnavailable> {
    let mut bits = [0; 4];
    guest.data_mut().random.fill(&mut bits)?;
    Ok(f64::from(u32::from_le_bytes(bits)))
}
