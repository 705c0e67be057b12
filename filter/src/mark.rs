//! The mark of a root: an expression in CEL whose value is the root's number. Envoy keeps
//! expressions by root, and evaluates them for a stream among those of its root; nothing else that
//! it offers tells two roots apart whose plugins have the same name, which the old and the new
//! configuration have while one takes the other's place.
//!
//! The alternative is to export `proxy_on_context_create`, which tells of the root of every stream:
//! Envoy would enter the VM once more for each, where nearly all VMs have one root.

use gatepost_engine::decimal;

use crate::abi;
use crate::roots::Mark;

/// Expressions are numbered from 0 in each root, and each root has one.
const TOKEN: [u8; 4] = 0u32.to_le_bytes();

/// Gives the current root its mark. Whether the host took it.
pub(crate) fn give(root: u32) -> bool {
    matches!(abi::call_foreign_function("expr_create", decimal(root.into()).as_bytes()), Ok(token) if *token == TOKEN)
}

/// The mark of the current stream's root.
pub(crate) fn of_stream() -> Mark {
    match abi::call_foreign_function("expr_evaluate", &TOKEN) {
        Ok(value) => {
            match <[u8; 8]>::try_from(&*value).map(u64::from_le_bytes).map(u32::try_from) {
                Ok(Ok(root)) => Mark::Of(root),
                _ => Mark::Unknown,
            }
        }
        Err(abi::NOT_FOUND) => Mark::None,
        Err(_) => Mark::Unknown,
    }
}
