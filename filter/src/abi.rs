//! The hostcalls that the filter makes, and the memory in which the host returns values. The calls
//! are those of the proxy-wasm ABI 0.2.1. A call whose status is not `Ok` gives no value.

use std::alloc::{Layout, alloc};
use std::ptr;

/// The status that a hostcall returns.
type Status = u32;
const OK: Status = 0;
const BAD_ARGUMENT: Status = 2;

const REQUEST_HEADERS: u32 = 0;
const PLUGIN_CONFIGURATION: u32 = 7;
const COUNTER: u32 = 0;

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
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        len: usize,
    ) -> Status;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        len: usize,
    ) -> Status;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_len: usize) -> Status;
    fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    fn proxy_define_metric(kind: u32, name: *const u8, len: usize, id: *mut u32) -> Status;
    fn proxy_increment_metric(id: u32, by: i64) -> Status;
    fn proxy_set_tick_period_milliseconds(period: u32) -> Status;
    fn proxy_set_effective_context(context: u32) -> Status;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> Status;
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
    // SAFETY: the out-pointers are valid for the length of the call.
    value_of_call(|data, len| unsafe { proxy_get_header_map_pairs(REQUEST_HEADERS, data, len) })
}

/// Sets a request header to one value, or adds it if it is missing. Returns whether it worked.
#[must_use]
pub(crate) fn set_request_header(name: &str, value: &[u8]) -> bool {
    // SAFETY: pointers and lengths are those of live strings.
    let status = unsafe {
        proxy_replace_header_map_value(
            REQUEST_HEADERS,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
    status == OK
}

/// Adds a value of a request header. Returns whether it worked.
#[must_use]
pub(crate) fn add_request_header(name: &str, value: &[u8]) -> bool {
    // SAFETY: pointers and lengths are those of live strings.
    unsafe {
        proxy_add_header_map_value(
            REQUEST_HEADERS,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        ) == OK
    }
}

/// Removes a request header with all its values. Returns whether it worked.
#[must_use]
pub(crate) fn remove_request_header(name: &str) -> bool {
    // SAFETY: pointer and length are those of a live string.
    unsafe { proxy_remove_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len()) == OK }
}

/// The downstream address that the proxy trusts, as `ip:port`.
pub(crate) fn source_address() -> Option<Vec<u8>> {
    const PATH: &str = "source\0address";
    // SAFETY: the path is static, the out-pointers are valid for the length of the call.
    value_of_call(|data, len| unsafe { proxy_get_property(PATH.as_ptr(), PATH.len(), data, len) })
}

/// Defines a counter for [`increment`]. The same name gives the same counter.
pub(crate) fn define_counter(name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: pointer and length are those of a live string, the out-pointer is valid for the
    // length of the call.
    let status = unsafe { proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

/// Raises a counter.
pub(crate) fn increment(counter: u32, by: i64) {
    // SAFETY: a call without pointers. A counter that cannot be raised is no reason to fail a
    // request.
    let _ = unsafe { proxy_increment_metric(counter, by) };
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
pub(crate) fn is_there(context: u32, current: u32) -> bool {
    // SAFETY: calls without pointers. A context is gone only if the host rejects it and accepts the
    // current one. A host that rejects both does not serve this call, and the context is kept.
    let (status, back) =
        unsafe { (proxy_set_effective_context(context), proxy_set_effective_context(current)) };
    status != BAD_ARGUMENT || back == BAD_ARGUMENT
}

/// Answers the current stream. Returns whether the proxy accepted the answer.
#[must_use]
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    body: &str,
    grpc_status: Option<u32>,
) -> bool {
    // -1 leaves the gRPC status to the proxy, which derives one from the HTTP status.
    let grpc_status = grpc_status.and_then(|status| i32::try_from(status).ok()).unwrap_or(-1);
    // SAFETY: pointers and lengths are those of live strings; no headers are an empty block.
    let status = unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            ptr::null(),
            0,
            grpc_status,
        )
    };
    status == OK
}
