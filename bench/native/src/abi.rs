//! Types and functions of Envoy's dynamic modules, ABI v0.2.0, which is that of Envoy 1.40. Envoy
//! compares the version and logs a warning when it is another.

use std::ffi::{CStr, c_void};
use std::ptr;

/// The version of the ABI that this module is written for.
pub(crate) const VERSION: &CStr = c"v0.2.0";

/// Envoy's own filter, one for each stream.
pub(crate) type EnvoyFilter = *mut c_void;
/// Envoy's own configuration of a filter.
pub(crate) type EnvoyConfig = *mut c_void;

const REQUEST_HEADERS: u32 = 0;
const ERROR: u32 = 4;
const SOURCE_ADDRESS: u32 = 24;
const SUCCESS: u32 = 0;

/// Bytes that one side lends to the other.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Buffer {
    data: *const u8,
    len: usize,
}

impl Buffer {
    fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }

    /// # Safety
    /// Envoy must have made it, and the bytes must stay as they are for `'a`.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: the caller's promise.
        unsafe { slice(self.data, self.len) }
    }
}

/// A header of Envoy's.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Header {
    name: *const u8,
    name_len: usize,
    value: *const u8,
    value_len: usize,
}

impl Header {
    /// # Safety
    /// Envoy must have made it, and the request's headers must stay as they are for `'a`.
    pub(crate) unsafe fn pair<'a>(&self) -> (&'a [u8], &'a [u8]) {
        // SAFETY: the caller's promise.
        unsafe { (slice(self.name, self.name_len), slice(self.value, self.value_len)) }
    }
}

/// # Safety
/// `data` is null or points to `len` bytes that stay as they are for `'a`.
unsafe fn slice<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data, len) }
}

unsafe extern "C" {
    fn envoy_dynamic_module_callback_log(level: u32, message: Buffer);
    fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        config: EnvoyConfig,
        name: Buffer,
        labels: *const Buffer,
        labels_len: usize,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_increment_counter(
        filter: EnvoyFilter,
        id: usize,
        labels: *const Buffer,
        labels_len: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_get_headers_size(filter: EnvoyFilter, map: u32) -> usize;
    fn envoy_dynamic_module_callback_http_get_headers(
        filter: EnvoyFilter,
        map: u32,
        headers: *mut Header,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_set_header(
        filter: EnvoyFilter,
        map: u32,
        name: Buffer,
        value: Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        filter: EnvoyFilter,
        attribute: u32,
        value: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_clear_route_cache(filter: EnvoyFilter);
    fn envoy_dynamic_module_callback_http_send_response(
        filter: EnvoyFilter,
        status: u32,
        headers: *const Header,
        headers_len: usize,
        body: Buffer,
        details: Buffer,
    );
}

/// Writes an error to Envoy's log.
pub(crate) fn log_error(message: &str) {
    // SAFETY: the message lives for the length of the call.
    unsafe { envoy_dynamic_module_callback_log(ERROR, Buffer::of(message.as_bytes())) }
}

/// Defines a counter, while a configuration is being read.
pub(crate) fn define_counter(config: EnvoyConfig, name: &str) -> Option<usize> {
    let mut id = 0;
    // SAFETY: the pointers are valid for the length of the call, and no labels are none to read.
    let result = unsafe {
        envoy_dynamic_module_callback_http_filter_config_define_counter(
            config,
            Buffer::of(name.as_bytes()),
            ptr::null(),
            0,
            &raw mut id,
        )
    };
    (result == SUCCESS).then_some(id)
}

/// One stream, for the length of one callback.
#[derive(Clone, Copy)]
pub(crate) struct Stream(pub(crate) EnvoyFilter);

impl Stream {
    /// Raises a counter by one.
    pub(crate) fn count(self, id: usize) {
        // SAFETY: the filter is alive in this callback, and no labels are none to read.
        let _ = unsafe {
            envoy_dynamic_module_callback_http_filter_increment_counter(
                self.0,
                id,
                ptr::null(),
                0,
                1,
            )
        };
    }

    /// How many headers the request has.
    pub(crate) fn header_count(self) -> usize {
        // SAFETY: the filter is alive in this callback.
        unsafe { envoy_dynamic_module_callback_http_get_headers_size(self.0, REQUEST_HEADERS) }
    }

    /// Copies views of the request's headers to a place for [`Self::header_count`] of them. Whether
    /// it did.
    ///
    /// # Safety
    /// The place must have room for so many.
    pub(crate) unsafe fn headers(self, to: *mut Header) -> bool {
        // SAFETY: the filter is alive in this callback; the rest is the caller's promise.
        unsafe { envoy_dynamic_module_callback_http_get_headers(self.0, REQUEST_HEADERS, to) }
    }

    /// Sets a request header to one value. Views of its old values become invalid.
    #[must_use]
    pub(crate) fn set(self, name: &str, value: &[u8]) -> bool {
        self.write(name, Buffer::of(value))
    }

    /// Removes a request header. Views of its values become invalid.
    #[must_use]
    pub(crate) fn remove(self, name: &str) -> bool {
        // Envoy removes the header where the value is null.
        self.write(name, Buffer { data: ptr::null(), len: 0 })
    }

    fn write(self, name: &str, value: Buffer) -> bool {
        let name = Buffer::of(name.as_bytes());
        // SAFETY: the filter is alive in this callback, and the buffers live for the call.
        unsafe {
            envoy_dynamic_module_callback_http_set_header(self.0, REQUEST_HEADERS, name, value)
        }
    }

    /// The property `source.address`.
    pub(crate) fn source_address(&self) -> Option<&[u8]> {
        let mut value = Buffer { data: ptr::null(), len: 0 };
        // SAFETY: the filter is alive in this callback, and so is the address it lends.
        unsafe {
            envoy_dynamic_module_callback_http_filter_get_attribute_string(
                self.0,
                SOURCE_ADDRESS,
                &raw mut value,
            )
            .then(|| value.bytes())
        }
    }

    /// Has Envoy choose a route for the request as it is now.
    pub(crate) fn clear_route_cache(self) {
        // SAFETY: the filter is alive in this callback.
        unsafe { envoy_dynamic_module_callback_http_clear_route_cache(self.0) }
    }

    /// Answers the request.
    pub(crate) fn reply(self, status: u16, body: &str, details: &str) {
        // SAFETY: the filter is alive in this callback, the buffers live for the call, and no
        // headers are none to read.
        unsafe {
            envoy_dynamic_module_callback_http_send_response(
                self.0,
                u32::from(status),
                ptr::null(),
                0,
                Buffer::of(body.as_bytes()),
                Buffer::of(details.as_bytes()),
            );
        }
    }
}
