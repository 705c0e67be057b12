//! The declarations of the hostcalls, by ABI version. A module imports only the hostcalls that it
//! calls, and a host refuses imports that its version does not have. [`super`] makes the calls,
//! with valid pointers.

use super::Status;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    pub(super) fn proxy_log(level: u32, message: *const u8, len: usize) -> Status;
    pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> Status;
    pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> Status;
    pub(super) fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    pub(super) fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        len: usize,
    ) -> Status;
    pub(super) fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        len: usize,
    ) -> Status;
    pub(super) fn proxy_remove_header_map_value(map: u32, key: *const u8, key_len: usize)
    -> Status;
    pub(super) fn proxy_get_header_map_pairs(
        map: u32,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    pub(super) fn proxy_set_header_map_pairs(map: u32, data: *const u8, len: usize) -> Status;
    pub(super) fn proxy_get_header_map_size(map: u32, size: *mut usize) -> Status;
    pub(super) fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    pub(super) fn proxy_set_buffer_bytes(
        kind: u32,
        start: usize,
        size: usize,
        data: *const u8,
        len: usize,
    ) -> Status;
    pub(super) fn proxy_get_buffer_status(kind: u32, len: *mut usize, flags: *mut u32) -> Status;
    pub(super) fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    pub(super) fn proxy_set_property(
        path: *const u8,
        path_len: usize,
        data: *const u8,
        len: usize,
    ) -> Status;
    pub(super) fn proxy_define_metric(
        kind: u32,
        name: *const u8,
        len: usize,
        id: *mut u32,
    ) -> Status;
    pub(super) fn proxy_increment_metric(id: u32, by: i64) -> Status;
    pub(super) fn proxy_record_metric(id: u32, value: u64) -> Status;
    pub(super) fn proxy_get_metric(id: u32, value: *mut u64) -> Status;
    pub(super) fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> Status;
    pub(super) fn proxy_set_effective_context(context: u32) -> Status;
    pub(super) fn proxy_done() -> Status;
    pub(super) fn proxy_get_status(code: *mut u32, data: *mut *mut u8, len: *mut usize) -> Status;
    pub(super) fn proxy_call_foreign_function(
        name: *const u8,
        name_len: usize,
        arguments: *const u8,
        arguments_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    pub(super) fn proxy_get_shared_data(
        key: *const u8,
        key_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
        cas: *mut u32,
    ) -> Status;
    pub(super) fn proxy_set_shared_data(
        key: *const u8,
        key_len: usize,
        data: *const u8,
        len: usize,
        cas: u32,
    ) -> Status;
    pub(super) fn proxy_register_shared_queue(name: *const u8, len: usize, id: *mut u32) -> Status;
    pub(super) fn proxy_resolve_shared_queue(
        vm: *const u8,
        vm_len: usize,
        name: *const u8,
        len: usize,
        id: *mut u32,
    ) -> Status;
    pub(super) fn proxy_dequeue_shared_queue(
        id: u32,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    pub(super) fn proxy_enqueue_shared_queue(id: u32, data: *const u8, len: usize) -> Status;
    pub(super) fn proxy_http_call(
        cluster: *const u8,
        cluster_len: usize,
        headers: *const u8,
        headers_len: usize,
        body: *const u8,
        body_len: usize,
        trailers: *const u8,
        trailers_len: usize,
        timeout: u32,
        token: *mut u32,
    ) -> Status;
    pub(super) fn proxy_grpc_call(
        service: *const u8,
        service_len: usize,
        name: *const u8,
        name_len: usize,
        method: *const u8,
        method_len: usize,
        metadata: *const u8,
        metadata_len: usize,
        message: *const u8,
        message_len: usize,
        timeout: u32,
        token: *mut u32,
    ) -> Status;
    pub(super) fn proxy_grpc_stream(
        service: *const u8,
        service_len: usize,
        name: *const u8,
        name_len: usize,
        method: *const u8,
        method_len: usize,
        metadata: *const u8,
        metadata_len: usize,
        token: *mut u32,
    ) -> Status;
    pub(super) fn proxy_grpc_send(token: u32, data: *const u8, len: usize, end: u32) -> Status;
    pub(super) fn proxy_grpc_cancel(token: u32) -> Status;
    pub(super) fn proxy_grpc_close(token: u32) -> Status;
}

/// Imports of ABI 0.2.0 and later. A module of 0.1.0 does not call them, so it does not import
/// them.
pub(super) mod since_0_2_0 {
    use super::Status;

    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(in crate::abi) fn proxy_continue_stream(kind: u32) -> Status;
        pub(in crate::abi) fn proxy_close_stream(kind: u32) -> Status;
    }
}

/// Imports of ABI 0.2.1 and later.
pub(super) mod since_0_2_1 {
    use super::Status;

    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(in crate::abi) fn proxy_get_log_level(level: *mut u32) -> Status;
    }
}

/// Imports of ABI 0.1.0 only.
pub(super) mod before_0_2_0 {
    use super::Status;

    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(in crate::abi) fn proxy_continue_request() -> Status;
        pub(in crate::abi) fn proxy_continue_response() -> Status;
        pub(in crate::abi) fn proxy_clear_route_cache() -> Status;
        pub(in crate::abi) fn proxy_get_configuration(
            data: *mut *mut u8,
            len: *mut usize,
        ) -> Status;
    }
}
