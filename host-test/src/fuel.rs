//! What hostcalls cost. wasmtime takes a unit of fuel for each instruction of the guest; a hostcall
//! takes as many as its work comes to, after it. So a guest cannot make the host work without end
//! by calls that cost it nothing. The work of one hostcall is bounded by the guest's memory and the
//! limits.

use wasmtime::Trap;

use crate::memory::Guest;

/// What a hostcall costs that does hardly anything.
const CALL: u64 = 50;

/// Bytes that are copied for one unit.
const COPIED: u64 = 4;

/// What it costs to look at an entry of a list: a header, a value of the filter state.
const ENTRY: u64 = 8;

/// What it costs to compress a byte, and to make a byte of what was compressed.
const COMPRESSED: u64 = 100;
const UNCOMPRESSED: u64 = 10;

/// The work of the present hostcall, in units of fuel.
#[derive(Debug, Default)]
pub(crate) struct Work(u64);

impl Work {
    fn add(&mut self, count: usize, each: u64) {
        let units = u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(each);
        self.0 = self.0.saturating_add(units);
    }

    /// Bytes were read, written or copied.
    pub(crate) fn bytes(&mut self, count: usize) {
        self.0 = self.0.saturating_add(u64::try_from(count).unwrap_or(u64::MAX) / COPIED);
    }

    /// A list with so many entries was searched or changed.
    pub(crate) fn entries(&mut self, count: usize) {
        self.add(count, ENTRY);
    }

    pub(crate) fn compressed(&mut self, bytes: usize) {
        self.add(bytes, COMPRESSED);
    }

    pub(crate) fn uncompressed(&mut self, bytes: usize) {
        self.add(bytes, UNCOMPRESSED);
    }
}

/// Takes the fuel for a hostcall that has ended.
///
/// # Errors
/// If the callback has less fuel left: the guest traps, as it does at an instruction.
#[inline]
pub(crate) fn pay(guest: Guest<'_, '_>) -> wasmtime::Result<()> {
    let state = guest.data_mut();
    let Work(work) = std::mem::take(&mut state.work);
    if state.limits.fuel_per_callback.is_none() {
        return Ok(());
    }
    let left = guest.get_fuel()?.checked_sub(work.saturating_add(CALL));
    guest.set_fuel(left.unwrap_or(0))?;
    left.map(drop).ok_or_else(|| Trap::OutOfFuel.into())
}
