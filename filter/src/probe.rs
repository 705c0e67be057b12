//! What the test build does beyond deciding: it traps the VM for a request with the header
//! `x-gatepost-trap`, and counts the stream contexts that begin and end, so that a test sees
//! whether any is lost.

use std::arch::wasm32::unreachable;

use crate::abi;
use crate::pairs::Pairs;

/// A stream's context begins.
pub(crate) fn created() {
    count("gatepost.probe.created");
}

/// A stream's context ends.
pub(crate) fn deleted() {
    count("gatepost.probe.deleted");
}

fn count(name: &str) {
    abi::define_counter(name).into_iter().for_each(|id| abi::increment(id, 1));
}

/// Traps if the request asks for it.
pub(crate) fn on_request_headers() {
    let Some(block) = abi::request_headers() else { return };
    if Pairs::new(&block)
        .is_some_and(|mut headers| headers.any(|(name, _)| name == b"x-gatepost-trap"))
    {
        unreachable();
    }
}
