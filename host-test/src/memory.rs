//! Guest memory, read and written with bounds checks only. A pointer or length that is wild becomes
//! a status that the guest sees; a trap inside the guest's allocator goes on as a trap.

use wasmtime::Caller;

use crate::abi::Status;
use crate::effect::{Draft, EffectEvent};
use crate::state::HostState;

/// How a hostcall fails: with a status for the guest, or by stopping it.
pub(crate) enum Fault {
    Status(Status),
    Trap(wasmtime::Error),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Fault::Status(status)
    }
}

pub(crate) type HostResult<T = ()> = Result<T, Fault>;

/// What the guest gets for a hostcall's result.
fn answer(result: HostResult) -> wasmtime::Result<u32> {
    match result {
        Ok(()) => Ok(Status::Ok.code()),
        Err(Fault::Status(status)) => Ok(status.code()),
        Err(Fault::Trap(error)) => Err(error),
    }
}

/// Serves one hostcall: runs it, records it when somebody records, and turns its result into the
/// guest's status.
#[inline]
pub(crate) fn serve(
    guest: &mut Caller<'_, HostState>,
    name: &'static str,
    call: impl FnOnce(&mut Caller<'_, HostState>) -> HostResult,
) -> wasmtime::Result<u32> {
    if guest.data().recorder.is_none() {
        return answer(call(guest));
    }
    // A guest's allocator may call the host while another hostcall gives it a value.
    let outer = guest.data_mut().draft.replace(Box::default());
    let result = call(guest);
    let status = match &result {
        Ok(()) => Status::Ok,
        Err(Fault::Status(status)) => *status,
        Err(Fault::Trap(_)) => Status::InternalFailure,
    };
    let state = guest.data_mut();
    let Draft { arguments, returned } =
        *std::mem::replace(&mut state.draft, outer).unwrap_or_default();
    state.record(EffectEvent::Called { hostcall: name, arguments, status, returned });
    answer(result)
}

/// The guest's memory and the host's state, both at once.
pub(crate) fn parts<'a>(
    caller: &'a mut Caller<'_, HostState>,
) -> HostResult<(&'a mut [u8], &'a mut HostState)> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        // Only while the module's own start function runs: afterwards the VM has looked it up.
        None => caller
            .get_export("memory")
            .and_then(wasmtime::Extern::into_memory)
            .ok_or(Status::InvalidMemoryAccess)?,
    };
    Ok(memory.data_and_store_mut(caller))
}

/// A part of guest memory.
pub(crate) fn slice(memory: &[u8], pointer: u32, len: u32) -> Result<&[u8], Status> {
    let (start, len) = (pointer as usize, len as usize);
    start.checked_add(len).and_then(|end| memory.get(start..end)).ok_or(Status::InvalidMemoryAccess)
}

/// A part of guest memory, to write.
pub(crate) fn slice_mut(memory: &mut [u8], pointer: u32, len: u32) -> Result<&mut [u8], Status> {
    let (start, len) = (pointer as usize, len as usize);
    start
        .checked_add(len)
        .and_then(|end| memory.get_mut(start..end))
        .ok_or(Status::InvalidMemoryAccess)
}

/// Writes bytes into guest memory.
pub(crate) fn write(memory: &mut [u8], pointer: u32, bytes: &[u8]) -> Result<(), Status> {
    let len = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
    slice_mut(memory, pointer, len)?.copy_from_slice(bytes);
    Ok(())
}

/// Writes a 32-bit number.
pub(crate) fn write_u32(memory: &mut [u8], pointer: u32, value: u32) -> Result<(), Status> {
    write(memory, pointer, &value.to_le_bytes())
}

/// Writes a 64-bit number.
pub(crate) fn write_u64(memory: &mut [u8], pointer: u32, value: u64) -> Result<(), Status> {
    write(memory, pointer, &value.to_le_bytes())
}

/// Reads a 32-bit number.
pub(crate) fn read_u32(memory: &[u8], pointer: u32) -> Result<u32, Status> {
    let bytes = slice(memory, pointer, 4)?;
    bytes.try_into().map(u32::from_le_bytes).map_err(|_| Status::InvalidMemoryAccess)
}

/// Gives bytes to the guest: asks its allocator for room, copies them there, and writes pointer and
/// length where the guest wants them. No bytes need no room: pointer and length are 0.
pub(crate) fn give(
    caller: &mut Caller<'_, HostState>,
    bytes: &[u8],
    pointer_to: u32,
    len_to: u32,
) -> HostResult {
    let len = u32::try_from(bytes.len()).map_err(|_| Status::InternalFailure)?;
    give_with(caller, len, pointer_to, len_to, |memory, _| {
        memory.copy_from_slice(bytes);
        Ok(())
    })
}

/// As [`give`], for bytes that are made in place.
pub(crate) fn give_with(
    caller: &mut Caller<'_, HostState>,
    len: u32,
    pointer_to: u32,
    len_to: u32,
    fill: impl FnOnce(&mut [u8], &HostState) -> Result<(), Status>,
) -> HostResult {
    let pointer = if len == 0 { 0 } else { allocate(caller, len)? };
    let (memory, state) = parts(caller)?;
    if len != 0 {
        fill(slice_mut(memory, pointer, len)?, state)?;
    }
    write_u32(memory, pointer_to, pointer)?;
    write_u32(memory, len_to, len)?;
    Ok(())
}

/// Copies bytes to where the guest's allocator has room for them; 0 for none.
pub(crate) fn place(caller: &mut Caller<'_, HostState>, bytes: &[u8]) -> HostResult<u32> {
    let len = u32::try_from(bytes.len()).map_err(|_| Status::InternalFailure)?;
    if len == 0 {
        return Ok(0);
    }
    let pointer = allocate(caller, len)?;
    write(parts(caller)?.0, pointer, bytes)?;
    Ok(pointer)
}

fn allocate(caller: &mut Caller<'_, HostState>, len: u32) -> HostResult<u32> {
    let Some(malloc) = caller.data().malloc.clone() else {
        return Err(Status::InvalidMemoryAccess.into());
    };
    match malloc.call(&mut *caller, len).map_err(Fault::Trap)? {
        0 => Err(Status::InvalidMemoryAccess.into()),
        pointer => Ok(pointer),
    }
}
