//! The hostcalls of the proxy-wasm ABI, each as a function that returns the status and the results,
//! and the allocator for the values that the host gives. All `unsafe` of the guests is here and in
//! [`crate::exports`].

mod imports;

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::ptr;

use imports::*;

/// The status of a hostcall.
pub type Status = u32;

/// Allocates memory for a value that the host gives.
#[must_use]
pub fn allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the layout has a size above 0.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => ptr::null_mut(),
    }
}

thread_local! {
    static WRITES_NOTHING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the last hostcall that returns bytes left the guest's variables as they were.
#[must_use]
pub fn wrote_nothing() -> bool {
    WRITES_NOTHING.get()
}

/// The status and the bytes of a hostcall that returns bytes.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> Status) -> (Status, Vec<u8>) {
    // Neither is a value that a host gives.
    let (nowhere, endless) = (ptr::dangling_mut(), usize::MAX);
    let (mut data, mut len) = (nowhere, endless);
    let status = call(&raw mut data, &raw mut len);
    WRITES_NOTHING.set(data == nowhere && len == endless);
    if WRITES_NOTHING.get() {
        return (status, Vec::new());
    }
    if data.is_null() || len == 0 {
        return (status, Vec::new());
    }
    // SAFETY: the ABI says that `data` came from `allocate` and holds `len` bytes that the host
    // wrote.
    let value = unsafe { std::slice::from_raw_parts(data, len) }.to_vec();
    if let Ok(layout) = Layout::array::<u8>(len) {
        // SAFETY: it was allocated with this layout, and is freed once.
        unsafe { dealloc(data, layout) };
    }
    (status, value)
}

/// The status and the number of a hostcall that returns a number.
fn number<T: Default>(call: impl FnOnce(*mut T) -> Status) -> (Status, T) {
    let mut value = T::default();
    let status = call(&raw mut value);
    (status, value)
}

/// Writes a line to the host's log. A line that cannot be written is lost.
pub fn log(level: u32, message: &str) -> Status {
    // SAFETY: pointer and length are those of a live string.
    unsafe { proxy_log(level, message.as_ptr(), message.len()) }
}

/// `proxy_get_log_level`.
pub fn log_level() -> (Status, u32) {
    // SAFETY: the out-pointer is valid for the call.
    number(|level| unsafe { imports::since_0_2_1::proxy_get_log_level(level) })
}

/// `proxy_get_current_time_nanoseconds`.
pub fn time() -> (Status, u64) {
    // SAFETY: the out-pointer is valid for the call.
    number(|time| unsafe { proxy_get_current_time_nanoseconds(time) })
}

/// `proxy_set_tick_period_milliseconds`.
pub fn set_tick(milliseconds: u32) -> Status {
    // SAFETY: no memory is involved.
    unsafe { proxy_set_tick_period_milliseconds(milliseconds) }
}

/// `proxy_get_header_map_value`.
pub fn get_header(map: u32, key: &[u8]) -> (Status, Vec<u8>) {
    // SAFETY: the key is live and the out-pointers are valid for the call.
    bytes(|data, len| unsafe {
        proxy_get_header_map_value(map, key.as_ptr(), key.len(), data, len)
    })
}

/// `proxy_add_header_map_value`.
pub fn add_header(map: u32, key: &[u8], value: &[u8]) -> Status {
    // SAFETY: key and value are live for the call.
    unsafe { proxy_add_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
}

/// `proxy_replace_header_map_value`.
pub fn replace_header(map: u32, key: &[u8], value: &[u8]) -> Status {
    // SAFETY: key and value are live for the call.
    unsafe {
        proxy_replace_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len())
    }
}

/// `proxy_remove_header_map_value`.
pub fn remove_header(map: u32, key: &[u8]) -> Status {
    // SAFETY: the key is live for the call.
    unsafe { proxy_remove_header_map_value(map, key.as_ptr(), key.len()) }
}

/// `proxy_get_header_map_pairs`, still serialised.
pub fn get_pairs(map: u32) -> (Status, Vec<u8>) {
    // SAFETY: the out-pointers are valid for the call.
    bytes(|data, len| unsafe { proxy_get_header_map_pairs(map, data, len) })
}

/// `proxy_set_header_map_pairs`, with serialised pairs.
pub fn set_pairs(map: u32, pairs: &[u8]) -> Status {
    // SAFETY: the pairs are live for the call.
    unsafe { proxy_set_header_map_pairs(map, pairs.as_ptr(), pairs.len()) }
}

/// `proxy_get_header_map_size`.
pub fn map_size(map: u32) -> (Status, usize) {
    // SAFETY: the out-pointer is valid for the call.
    number(|size| unsafe { proxy_get_header_map_size(map, size) })
}

/// `proxy_get_buffer_bytes`.
pub fn get_buffer(kind: u32, start: usize, max: usize) -> (Status, Vec<u8>) {
    // SAFETY: the out-pointers are valid for the call.
    bytes(|data, len| unsafe { proxy_get_buffer_bytes(kind, start, max, data, len) })
}

/// `proxy_set_buffer_bytes`.
pub fn set_buffer(kind: u32, start: usize, size: usize, value: &[u8]) -> Status {
    // SAFETY: the value is live for the call.
    unsafe { proxy_set_buffer_bytes(kind, start, size, value.as_ptr(), value.len()) }
}

/// `proxy_get_buffer_status`: length and flags.
pub fn buffer_status(kind: u32) -> (Status, usize, u32) {
    let mut flags = 0;
    // SAFETY: the out-pointers are valid for the call.
    let (status, len) = number(|len| unsafe { proxy_get_buffer_status(kind, len, &raw mut flags) });
    (status, len, flags)
}

/// `proxy_get_configuration` of ABI 0.1.0.
pub fn configuration() -> (Status, Vec<u8>) {
    // SAFETY: the out-pointers are valid for the call.
    bytes(|data, len| unsafe { imports::before_0_2_0::proxy_get_configuration(data, len) })
}

/// `proxy_get_property`, with a path whose parts are separated by zero bytes.
pub fn get_property(path: &[u8]) -> (Status, Vec<u8>) {
    // SAFETY: the path is live and the out-pointers are valid for the call.
    bytes(|data, len| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, len) })
}

/// `proxy_set_property`.
pub fn set_property(path: &[u8], value: &[u8]) -> Status {
    // SAFETY: path and value are live for the call.
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) }
}

/// `proxy_define_metric`.
pub fn define_metric(kind: u32, name: &[u8]) -> (Status, u32) {
    // SAFETY: the name is live and the out-pointer is valid for the call.
    number(|id| unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), id) })
}

/// `proxy_increment_metric`.
pub fn increment_metric(id: u32, by: i64) -> Status {
    // SAFETY: no memory is involved.
    unsafe { proxy_increment_metric(id, by) }
}

/// `proxy_record_metric`.
pub fn record_metric(id: u32, value: u64) -> Status {
    // SAFETY: no memory is involved.
    unsafe { proxy_record_metric(id, value) }
}

/// `proxy_get_metric`.
pub fn get_metric(id: u32) -> (Status, u64) {
    // SAFETY: the out-pointer is valid for the call.
    number(|value| unsafe { proxy_get_metric(id, value) })
}

/// `proxy_send_local_response`, with serialised headers.
pub fn send_local_response(
    status: u32,
    details: &[u8],
    body: &[u8],
    headers: &[u8],
    grpc_status: i32,
) -> Status {
    // SAFETY: all bytes are live for the call.
    unsafe {
        proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    }
}

/// `proxy_continue_stream`.
pub fn continue_stream(kind: u32) -> Status {
    // SAFETY: no memory is involved.
    unsafe { imports::since_0_2_0::proxy_continue_stream(kind) }
}

/// `proxy_close_stream`.
pub fn close_stream(kind: u32) -> Status {
    // SAFETY: no memory is involved.
    unsafe { imports::since_0_2_0::proxy_close_stream(kind) }
}

/// `proxy_continue_request` of ABI 0.1.0.
pub fn continue_request() -> Status {
    // SAFETY: no memory is involved.
    unsafe { imports::before_0_2_0::proxy_continue_request() }
}

/// `proxy_continue_response` of ABI 0.1.0.
pub fn continue_response() -> Status {
    // SAFETY: no memory is involved.
    unsafe { imports::before_0_2_0::proxy_continue_response() }
}

/// `proxy_clear_route_cache` of ABI 0.1.0.
pub fn clear_route_cache() -> Status {
    // SAFETY: no memory is involved.
    unsafe { imports::before_0_2_0::proxy_clear_route_cache() }
}

/// `proxy_set_effective_context`.
pub fn set_effective_context(context: u32) -> Status {
    // SAFETY: no memory is involved.
    unsafe { proxy_set_effective_context(context) }
}

/// `proxy_done`.
pub fn done() -> Status {
    // SAFETY: no memory is involved.
    unsafe { proxy_done() }
}

/// `proxy_get_status`: the code and the message.
pub fn get_status() -> (Status, u32, Vec<u8>) {
    let mut code = 0;
    // SAFETY: the out-pointers are valid for the call.
    let (status, message) =
        bytes(|data, len| unsafe { proxy_get_status(&raw mut code, data, len) });
    (status, code, message)
}

/// `proxy_call_foreign_function`.
pub fn foreign(name: &[u8], arguments: &[u8]) -> (Status, Vec<u8>) {
    // SAFETY: name and arguments are live and the out-pointers are valid for the call.
    bytes(|data, len| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            len,
        )
    })
}

/// `proxy_get_shared_data`: the value and its compare-and-swap number.
pub fn get_shared(key: &[u8]) -> (Status, Vec<u8>, u32) {
    let mut cas = 0;
    // SAFETY: the key is live and the out-pointers are valid for the call.
    let (status, value) = bytes(|data, len| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, len, &raw mut cas)
    });
    (status, value, cas)
}

/// `proxy_set_shared_data`.
pub fn set_shared(key: &[u8], value: &[u8], cas: u32) -> Status {
    // SAFETY: key and value are live for the call.
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) }
}

/// `proxy_register_shared_queue`.
pub fn register_queue(name: &[u8]) -> (Status, u32) {
    // SAFETY: the name is live and the out-pointer is valid for the call.
    number(|id| unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), id) })
}

/// `proxy_resolve_shared_queue`.
pub fn resolve_queue(vm: &[u8], name: &[u8]) -> (Status, u32) {
    // SAFETY: the names are live and the out-pointer is valid for the call.
    number(|id| unsafe {
        proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), id)
    })
}

/// `proxy_dequeue_shared_queue`.
pub fn dequeue(id: u32) -> (Status, Vec<u8>) {
    // SAFETY: the out-pointers are valid for the call.
    bytes(|data, len| unsafe { proxy_dequeue_shared_queue(id, data, len) })
}

/// `proxy_enqueue_shared_queue`.
pub fn enqueue(id: u32, value: &[u8]) -> Status {
    // SAFETY: the value is live for the call.
    unsafe { proxy_enqueue_shared_queue(id, value.as_ptr(), value.len()) }
}

/// `proxy_http_call`, with serialised headers and trailers.
pub fn http_call(
    cluster: &[u8],
    headers: &[u8],
    body: &[u8],
    trailers: &[u8],
    timeout: u32,
) -> (Status, u32) {
    // SAFETY: all bytes are live and the out-pointer is valid for the call.
    number(|token| unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout,
            token,
        )
    })
}

/// `proxy_grpc_call`, with serialised metadata.
pub fn grpc_call(
    service: &[u8],
    name: &[u8],
    method: &[u8],
    metadata: &[u8],
    message: &[u8],
    timeout: u32,
) -> (Status, u32) {
    // SAFETY: all bytes are live and the out-pointer is valid for the call.
    number(|token| unsafe {
        proxy_grpc_call(
            service.as_ptr(),
            service.len(),
            name.as_ptr(),
            name.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            message.as_ptr(),
            message.len(),
            timeout,
            token,
        )
    })
}

/// `proxy_grpc_stream`, with serialised metadata.
pub fn grpc_stream(service: &[u8], name: &[u8], method: &[u8], metadata: &[u8]) -> (Status, u32) {
    // SAFETY: all bytes are live and the out-pointer is valid for the call.
    number(|token| unsafe {
        proxy_grpc_stream(
            service.as_ptr(),
            service.len(),
            name.as_ptr(),
            name.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            token,
        )
    })
}

/// `proxy_grpc_send`.
pub fn grpc_send(token: u32, message: &[u8], end: bool) -> Status {
    // SAFETY: the message is live for the call.
    unsafe { proxy_grpc_send(token, message.as_ptr(), message.len(), u32::from(end)) }
}

/// `proxy_grpc_cancel`.
pub fn grpc_cancel(token: u32) -> Status {
    // SAFETY: no memory is involved.
    unsafe { proxy_grpc_cancel(token) }
}

/// `proxy_grpc_close`.
pub fn grpc_close(token: u32) -> Status {
    // SAFETY: no memory is involved.
    unsafe { proxy_grpc_close(token) }
}
