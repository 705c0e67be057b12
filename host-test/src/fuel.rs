//! What hostcalls cost. wasmtime takes a unit of fuel for each instruction of the guest; a hostcall
//! takes as many as its work comes to, after it. So a guest cannot make the host work without end
//! by calls that cost it nothing. The work of one hostcall is bounded by the guest's memory and the
//! limits.

use wasmtime::Trap;

use crate::memory::Guest;

/// What a hostcall costs that does hardly anything.
const CALL: u64 = 50;

/// Takes the fuel for a hostcall that has ended.
///
/// # Errors
/// If the callback has less fuel left: the guest traps, as it does at an instruction.
#[inline]
pub(crate) fn pay(guest: Guest<'_, '_>) -> wasmtime::Result<()> {
    let state = guest.data_mut();
    let work = state.work.take();
    if state.limits.fuel_per_callback.is_none() {
        return Ok(());
    }
    let left = guest.get_fuel()?.checked_sub(work.saturating_add(CALL));
    guest.set_fuel(left.unwrap_or(0))?;
    left.map(drop).ok_or_else(|| Trap::OutOfFuel.into())
}
