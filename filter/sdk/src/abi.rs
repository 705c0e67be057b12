//! The hostcalls for which the SDK has no function that this crate could use. Its functions panic
//! where the proxy refuses to write a header or to send a reply, and its replies have no response
//! code details, and no gRPC status beside an HTTP status. All other calls go through
//! [`proxy_wasm::hostcalls`].

use std::ptr;

const OK: u32 = 0;
const REQUEST_HEADERS: u32 = 0;

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
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> u32;
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

/// Sets a request header to one value, in place of the values that it has. Whether the proxy did.
#[must_use]
pub(crate) fn set_request_header(name: &str, value: &[u8]) -> bool {
    // SAFETY: pointers and lengths are those of live slices.
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

/// Adds a value to a request header. Whether the proxy did.
#[must_use]
pub(crate) fn add_request_header(name: &str, value: &[u8]) -> bool {
    // SAFETY: pointers and lengths are those of live slices.
    let status = unsafe {
        proxy_add_header_map_value(
            REQUEST_HEADERS,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
    status == OK
}

/// Removes a request header with all its values. Whether the proxy did.
#[must_use]
pub(crate) fn remove_request_header(name: &str) -> bool {
    // SAFETY: pointer and length are those of a live string.
    unsafe { proxy_remove_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len()) == OK }
}

/// Answers the current stream. Without a gRPC status the proxy derives one from the HTTP status
/// where the request is gRPC. Whether the proxy took the reply.
#[must_use]
pub(crate) fn send_local_reply(
    status: u16,
    details: &str,
    body: &str,
    grpc_status: Option<u32>,
) -> bool {
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
