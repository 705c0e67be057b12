//! Invariants that need a VM: the filter's module decides as the engine does, and no guest harms
//! the host. Each invariant is one function that panics when it is broken, for tests and for the
//! targets in `fuzz/`.

pub mod filter;
pub mod seeds;
pub mod wild;
