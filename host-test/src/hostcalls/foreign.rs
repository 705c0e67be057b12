//! `proxy_call_foreign_function`: calls a function of `Host::foreign` by its name. An unknown name
//! is `NotFound`.

use super::definition::{Definition, family};
use crate::abi::Status;
use crate::foreign::ForeignCall;
use crate::memory::{Guest, HostcallError, HostcallResult, Span, copy_to_guest, parts, write_u32};
use crate::state::HostState;

pub(super) const FAMILY: &[Definition] = family! {
    proxy_call_foreign_function(
        name: u32, name_len: u32, arguments: u32, arguments_len: u32, to: u32, len_to: u32
    ) in V0_1_0..=V0_2_1
        => |guest| call(guest, (name, name_len), (arguments, arguments_len), to, len_to);
};

fn call(guest: Guest<'_, '_>, name: Span, arguments: Span, to: u32, len_to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let name = state.read(memory, name)?;
    let arguments = state.read(memory, arguments)?;
    state.note(|note| note.arg("name", name).arg("arguments", arguments));
    let function = state.host.foreign.find(name).ok_or(Status::NotFound)?;
    let HostState { contexts, limits, work, .. } = state;
    let mut call = ForeignCall::new(arguments, contexts, limits, work);
    let result = function(&mut call);
    if let Some(limit) = call.denied() {
        return Err(HostcallError::Limit(limit));
    }
    let result = result?;
    state.note(|note| note.ret("result", result.clone()));
    // A guest that does not want the result passes null pointers.
    let pointer = if to == 0 { 0 } else { copy_to_guest(guest, &result)? };
    let (memory, _) = parts(guest)?;
    if to != 0 {
        write_u32(memory, to, pointer)?;
    }
    if len_to != 0 {
        write_u32(memory, len_to, u32::try_from(result.len()).unwrap_or(u32::MAX))?;
    }
    Ok(())
}
