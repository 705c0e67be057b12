//! Guest memory, read and written with bounds checks only. A pointer or a length outside of it
//! becomes a status that the guest sees; a trap inside the guest's allocator stays a trap.

use wasmtime::Caller;

use crate::abi::Status;
use crate::limits::Refused;
pub(crate) use crate::span::{Span, slice, slice_mut};
use crate::state::HostState;

/// A guest that calls the host: its memory and the state of its VM.
pub(crate) type Guest<'a, 'b> = &'a mut Caller<'b, HostState>;

/// How a hostcall fails: with a status for the guest, at a limit, or with a trap that stops it.
pub(crate) enum HostcallError {
    Status(Status),
    Limit(&'static str),
    Trap(wasmtime::Error),
}

impl From<Refused> for HostcallError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Limit(limit) => HostcallError::Limit(limit),
            Refused::Status(status) => HostcallError::Status(status),
        }
    }
}

impl From<Status> for HostcallError {
    fn from(status: Status) -> Self {
        HostcallError::Status(status)
    }
}

pub(crate) type HostcallResult<T = ()> = Result<T, HostcallError>;

/// The guest's memory and the host's state, both at once.
pub(crate) fn parts<'a>(guest: Guest<'a, '_>) -> HostcallResult<(&'a mut [u8], &'a mut HostState)> {
    let memory = match guest.data().memory {
        Some(memory) => memory,
        // Only while the module's start function runs. After that the VM has looked it up.
        None => guest
            .get_export("memory")
            .and_then(wasmtime::Extern::into_memory)
            .ok_or(Status::InvalidMemoryAccess)?,
    };
    Ok(memory.data_and_store_mut(guest))
}

/// Writes bytes into guest memory.
pub(crate) fn write(memory: &mut [u8], pointer: u32, bytes: &[u8]) -> Result<(), Status> {
    let len = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
    slice_mut(memory, (pointer, len))?.copy_from_slice(bytes);
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
    let bytes = slice(memory, (pointer, 4))?;
    bytes.try_into().map(u32::from_le_bytes).map_err(|_| Status::InvalidMemoryAccess)
}

/// Gives bytes to the guest: allocates memory in the guest, copies them there, and writes pointer
/// and length where the guest wants them. For no bytes, pointer and length are 0.
pub(crate) fn give(
    guest: Guest<'_, '_>,
    bytes: &[u8],
    pointer_to: u32,
    len_to: u32,
) -> HostcallResult {
    let len = u32::try_from(bytes.len()).map_err(|_| Status::InternalFailure)?;
    give_with(guest, len, pointer_to, len_to, |memory, _| {
        memory.copy_from_slice(bytes);
        Ok(())
    })
}

/// As [`give`], for bytes that `fill` writes into guest memory.
pub(crate) fn give_with(
    guest: Guest<'_, '_>,
    len: u32,
    pointer_to: u32,
    len_to: u32,
    fill: impl FnOnce(&mut [u8], &HostState) -> Result<(), Status>,
) -> HostcallResult {
    let pointer = if len == 0 { 0 } else { allocate(guest, len)? };
    let (memory, state) = parts(guest)?;
    state.work.bytes(len as usize);
    if len != 0 {
        fill(slice_mut(memory, (pointer, len))?, state)?;
    }
    write_u32(memory, pointer_to, pointer)?;
    write_u32(memory, len_to, len)?;
    Ok(())
}

/// Allocates memory in the guest and copies bytes there; the pointer, or 0 for no bytes.
pub(crate) fn copy_to_guest(guest: Guest<'_, '_>, bytes: &[u8]) -> HostcallResult<u32> {
    let len = u32::try_from(bytes.len()).map_err(|_| Status::InternalFailure)?;
    if len == 0 {
        return Ok(0);
    }
    let pointer = allocate(guest, len)?;
    let (memory, state) = parts(guest)?;
    state.work.bytes(bytes.len());
    write(memory, pointer, bytes)?;
    Ok(pointer)
}

fn allocate(guest: Guest<'_, '_>, len: u32) -> HostcallResult<u32> {
    let Some(malloc) = guest.data().malloc.clone() else {
        return Err(Status::InvalidMemoryAccess.into());
    };
    match malloc.call(&mut *guest, len).map_err(HostcallError::Trap)? {
        0 => Err(Status::InvalidMemoryAccess.into()),
        pointer => Ok(pointer),
    }
}
