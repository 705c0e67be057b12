//! Parts of guest memory, found with bounds checks only.

use crate::abi::Status;

/// A pointer into guest memory and a length.
pub(crate) type Span = (u32, u32);

/// A part of guest memory.
pub(crate) fn slice(memory: &[u8], (pointer, len): Span) -> Result<&[u8], Status> {
    let (start, len) = (pointer as usize, len as usize);
    start.checked_add(len).and_then(|end| memory.get(start..end)).ok_or(Status::InvalidMemoryAccess)
}

/// A part of guest memory, to write.
pub(crate) fn slice_mut(memory: &mut [u8], (pointer, len): Span) -> Result<&mut [u8], Status> {
    let (start, len) = (pointer as usize, len as usize);
    start
        .checked_add(len)
        .and_then(|end| memory.get_mut(start..end))
        .ok_or(Status::InvalidMemoryAccess)
}
