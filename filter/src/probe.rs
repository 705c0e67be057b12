//! Additions of the test build. A request with the header `x-gatepost-trap` traps the VM, and the
//! stream contexts that begin and end are counted, so that a test sees whether any is lost.

use std::arch::wasm32::unreachable;

use gatepost_filter_request::count_once;

use crate::abi;
use crate::pairs::Pairs;

/// Counts a stream's context that begins.
pub(crate) fn created() {
    count_once("gatepost.probe.created");
}

/// Counts a stream's context that ends.
pub(crate) fn deleted() {
    count_once("gatepost.probe.deleted");
}

/// Traps if the request has the header `x-gatepost-trap`.
pub(crate) fn on_request_headers() {
    let Some(block) = abi::request_headers() else { return };
    if Pairs::new(&block)
        .is_some_and(|mut headers| headers.any(|(name, _)| name == b"x-gatepost-trap"))
    {
        unreachable();
    }
}
