//! The hostcalls that change or answer a request or a response, and those of metrics. A call
//! returns whether it worked: no status panics.

use std::ptr;

const OK: u32 = 0;
const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const RESPONSE_HEADERS: u32 = 2;
const COUNTER: u32 = 0;
const GAUGE: u32 = 1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *mut *mut u8,
        value_len: *mut usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, len: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_get_metric(id: u32, value: *mut u64) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> u32;
}

/// Sets a request header to one value, in place of the values that it has.
#[must_use]
pub(crate) fn set_request_header(name: &str, value: &[u8]) -> bool {
    write_header(name, value, |name, name_len, value, len| {
        // SAFETY: `write_header` gives pointers and lengths of live slices.
        unsafe { proxy_replace_header_map_value(REQUEST_HEADERS, name, name_len, value, len) }
    })
}

/// Sets a response header to one value, in place of the values that it has.
#[must_use]
pub(crate) fn set_response_header(name: &str, value: &[u8]) -> bool {
    write_header(name, value, |name, name_len, value, len| {
        // SAFETY: `write_header` gives pointers and lengths of live slices.
        unsafe { proxy_replace_header_map_value(RESPONSE_HEADERS, name, name_len, value, len) }
    })
}

/// Adds a value to a response header.
#[must_use]
pub(crate) fn add_response_header(name: &str, value: &[u8]) -> bool {
    write_header(name, value, |name, name_len, value, len| {
        // SAFETY: `write_header` gives pointers and lengths of live slices.
        unsafe { proxy_add_header_map_value(RESPONSE_HEADERS, name, name_len, value, len) }
    })
}

/// Adds a value to a request header.
#[must_use]
pub(crate) fn add_request_header(name: &str, value: &[u8]) -> bool {
    write_header(name, value, |name, name_len, value, len| {
        // SAFETY: `write_header` gives pointers and lengths of live slices.
        unsafe { proxy_add_header_map_value(REQUEST_HEADERS, name, name_len, value, len) }
    })
}

fn write_header(
    name: &str,
    value: &[u8],
    call: impl FnOnce(*const u8, usize, *const u8, usize) -> u32,
) -> bool {
    call(name.as_ptr(), name.len(), value.as_ptr(), value.len()) == OK
}

/// The first line of a response header, if the response has one.
pub(crate) fn response_header(name: &str) -> Option<Vec<u8>> {
    let (mut value, mut len) = (ptr::null_mut(), 0);
    // SAFETY: pointer and length are those of a live string, the out-pointers are valid for the
    // length of the call.
    let status = unsafe {
        proxy_get_header_map_value(
            RESPONSE_HEADERS,
            name.as_ptr(),
            name.len(),
            &raw mut value,
            &raw mut len,
        )
    };
    match status {
        OK if value.is_null() => Some(Vec::new()),
        // SAFETY: the ABI says that `value` is what the module's `proxy_on_memory_allocate`
        // returned for `len` bytes. In a module in Rust that is memory of the global allocator.
        OK => Some(unsafe { Vec::from_raw_parts(value, len, len) }),
        _ => None,
    }
}

/// Removes a request header with all its values.
#[must_use]
pub(crate) fn remove_request_header(name: &str) -> bool {
    remove(REQUEST_HEADERS, name.as_bytes())
}

/// Removes a request trailer with all its values.
#[must_use]
pub(crate) fn remove_request_trailer(name: &[u8]) -> bool {
    remove(REQUEST_TRAILERS, name)
}

fn remove(map: u32, name: &[u8]) -> bool {
    // SAFETY: pointer and length are those of a live slice.
    unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) == OK }
}

/// Answers the current stream. `headers` are pairs as the ABI has them. Without a gRPC status the
/// proxy derives one from the HTTP status where the request is gRPC. Whether the proxy took the
/// reply.
#[must_use]
pub(crate) fn send_local_reply(
    status: u16,
    details: &str,
    body: &str,
    headers: &[u8],
    grpc_status: Option<u32>,
) -> bool {
    let grpc_status = grpc_status.and_then(|status| i32::try_from(status).ok()).unwrap_or(-1);
    // SAFETY: pointers and lengths are those of live texts; no headers may be an empty block.
    let status = unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    };
    status == OK
}

/// Defines a counter for [`increment`]. The same name gives the same counter.
pub(crate) fn define_counter(name: &str) -> Option<u32> {
    define(COUNTER, name)
}

/// Defines a gauge for [`record`]. The same name gives the same gauge.
pub(crate) fn define_gauge(name: &str) -> Option<u32> {
    define(GAUGE, name)
}

fn define(kind: u32, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: pointer and length are those of a live string, the out-pointer is valid for the
    // length of the call.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

/// Raises a counter.
pub(crate) fn increment(counter: u32, by: i64) {
    // SAFETY: a call without pointers. A counter that cannot be raised is no reason to fail a
    // request.
    let _ = unsafe { proxy_increment_metric(counter, by) };
}

/// Sets a gauge.
pub(crate) fn record(gauge: u32, value: u64) {
    // SAFETY: a call without pointers. A gauge that cannot be set is no reason to stop.
    let _ = unsafe { proxy_record_metric(gauge, value) };
}

/// What a metric shows.
pub(crate) fn metric(id: u32) -> Option<u64> {
    let mut value = 0;
    // SAFETY: the out-pointer is valid for the length of the call.
    let status = unsafe { proxy_get_metric(id, &raw mut value) };
    (status == OK).then_some(value)
}
