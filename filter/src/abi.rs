//! The hostcalls by which the filter reads, and the memory in which the host returns values. The
//! calls are those of the proxy-wasm ABI 0.2.1. A call whose status is not `Ok` gives no value. The
//! calls that write are in `gatepost-filter-request`.

use std::alloc::{Layout, alloc};
use std::ptr;

use crate::contexts::Presence;

/// The status that a hostcall returns.
type Status = u32;
const OK: Status = 0;
const BAD_ARGUMENT: Status = 2;

const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const RESPONSE_HEADERS: u32 = 2;
const PLUGIN_CONFIGURATION: u32 = 7;

/// A log level of the ABI.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Level {
    Warn = 3,
    Error = 4,
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, len: usize) -> Status;
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, len: *mut usize) -> Status;
    fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    fn proxy_set_tick_period_milliseconds(period: u32) -> Status;
    fn proxy_set_effective_context(context: u32) -> Status;
}

/// The value that a call returns, in memory that the host got from
/// [`proxy_on_memory_allocate`].
fn value_of_call(call: impl FnOnce(*mut *mut u8, *mut usize) -> Status) -> Option<Vec<u8>> {
    let (mut data, mut len) = (ptr::null_mut(), 0);
    if call(&raw mut data, &raw mut len) != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: the ABI says that `data` is what `proxy_on_memory_allocate` returned for `len` bytes,
    // all of which the host wrote.
    Some(unsafe { Vec::from_raw_parts(data, len, len) })
}

/// Allocates memory for a value that the host is about to return. Null when there is none; the
/// hostcall then fails.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the layout has a size above 0.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => ptr::null_mut(),
    }
}

/// Writes a line to the proxy's log.
pub(crate) fn log(level: Level, message: &str) {
    // SAFETY: pointer and length are those of a live string. A log line that cannot be written is
    // lost.
    let _ = unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// The plugin configuration of the context that is being configured. `size` is the one that the
/// host gave to the callback.
pub(crate) fn plugin_configuration(size: usize) -> Option<Vec<u8>> {
    // SAFETY: the out-pointers are valid for the length of the call.
    value_of_call(|data, len| unsafe {
        proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, size, data, len)
    })
}

/// All request headers of the current stream, serialised.
pub(crate) fn request_headers() -> Option<Vec<u8>> {
    header_map_pairs(REQUEST_HEADERS)
}

/// All response headers of the current stream, serialised.
pub(crate) fn response_headers() -> Option<Vec<u8>> {
    header_map_pairs(RESPONSE_HEADERS)
}

/// All request trailers of the current stream, serialised.
pub(crate) fn request_trailers() -> Option<Vec<u8>> {
    header_map_pairs(REQUEST_TRAILERS)
}

fn header_map_pairs(map: u32) -> Option<Vec<u8>> {
    // SAFETY: the out-pointers are valid for the length of the call.
    value_of_call(|data, len| unsafe { proxy_get_header_map_pairs(map, data, len) })
}

/// The downstream address that the proxy trusts, as `ip:port`.
pub(crate) fn source_address() -> Option<Vec<u8>> {
    property("source\0address")
}

/// The name of the plugin whose context is current.
pub(crate) fn plugin_name() -> Option<Vec<u8>> {
    property("plugin_name")
}

fn property(path: &'static str) -> Option<Vec<u8>> {
    // SAFETY: the path is static, the out-pointers are valid for the length of the call.
    value_of_call(|data, len| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, len) })
}

/// Sets the period of the timer of the current root, or of the current stream's root; 0 stops it.
/// Returns whether the host has timers.
#[must_use]
pub(crate) fn set_tick_period(milliseconds: u32) -> bool {
    // SAFETY: a call without pointers.
    unsafe { proxy_set_tick_period_milliseconds(milliseconds) == OK }
}

/// Whether a context of this VM still exists. `current` is the context of the running callback. It
/// is the effective context again when this returns.
pub(crate) fn presence(context: u32, current: u32) -> Presence {
    // SAFETY: calls without pointers. A context is gone only if the host rejects it and accepts the
    // current one. A host that rejects both does not serve this call.
    let (status, back) =
        unsafe { (proxy_set_effective_context(context), proxy_set_effective_context(current)) };
    match (status, back) {
        (OK, _) => Presence::There,
        (BAD_ARGUMENT, OK) => Presence::Gone,
        _ => Presence::Unknown,
    }
}
