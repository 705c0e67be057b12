//! WASI's error numbers, and how a failed function becomes one.

use crate::fuel::pay;
use crate::memory::{Guest, HostcallError, HostcallResult};

pub(crate) const ENOSYS: u32 = 52;
pub(super) const SUCCESS: u32 = 0;
pub(super) const EBADF: u32 = 8;
pub(super) const EFAULT: u32 = 21;
pub(super) const EINVAL: u32 = 28;
pub(super) const EIO: u32 = 29;
pub(super) const ENOENT: u32 = 44;
pub(super) const ENOTDIR: u32 = 54;
pub(super) const ENOTSUP: u32 = 58;
pub(super) const ESPIPE: u32 = 70;

/// The error number of a result: every pointer outside of memory is `EFAULT`.
pub(super) fn serve(
    guest: Guest<'_, '_>,
    call: impl FnOnce(Guest<'_, '_>) -> HostcallResult<u32>,
) -> wasmtime::Result<u32> {
    let result = call(guest);
    pay(guest)?;
    match result {
        Ok(errno) => Ok(errno),
        Err(HostcallError::Status(_) | HostcallError::Limit(_)) => Ok(EFAULT),
        Err(HostcallError::Trap(error)) => Err(error),
    }
}

/// The answer for a descriptor: standard input, output and error are open, and no other is.
pub(super) const fn open_or_bad(descriptor: u32, if_open: u32) -> u32 {
    if descriptor <= 2 { if_open } else { EBADF }
}
