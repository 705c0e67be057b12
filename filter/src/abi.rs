//! The hostcalls that the filter makes, and the memory that the host hands values over in. The
//! calls are those of the proxy-wasm ABI 0.2.1; a call whose status is not `Ok` gives no value.

use alloc::alloc::{Layout, alloc, dealloc};
use core::cell::Cell;
use core::ops::Deref;
use core::ptr;

use crate::runtime::OneThread;

/// What the host answers to a call.
pub(crate) type Status = u32;
const OK: Status = 0;
/// There is no such thing.
pub(crate) const NOT_FOUND: Status = 1;
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
    fn proxy_call_foreign_function(
        name: *const u8,
        name_len: usize,
        argument: *const u8,
        argument_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
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

/// Bytes that the host wrote into memory which it had asked [`proxy_on_memory_allocate`] for. Given
/// back when dropped.
pub(crate) struct HostBytes {
    data: *mut u8,
    len: usize,
}

impl HostBytes {
    fn from_call(call: impl FnOnce(*mut *mut u8, *mut usize) -> Status) -> Result<Self, Status> {
        let mut bytes = Self { data: ptr::null_mut(), len: 0 };
        let status = call(&raw mut bytes.data, &raw mut bytes.len);
        if status == OK { Ok(bytes) } else { Err(status) }
    }
}

impl Deref for HostBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: the ABI says that `data` is an allocation of this module with `len` bytes that
        // the host wrote. It is ours until `drop`, and nothing writes to it.
        unsafe { core::slice::from_raw_parts(self.data, self.len) }
    }
}

impl Drop for HostBytes {
    #[inline]
    fn drop(&mut self) {
        if self.data.is_null() {
            return;
        }
        let spare = SPARE.get().replace(self.data);
        if !spare.is_null() {
            free_smaller(spare);
        }
    }
}

/// The room for values that is kept while no value stands in it: it serves one value after the
/// other, without the allocator. It is as large as the largest value so far, which is the policy's
/// document: taken and given back at every reload, its place would be broken up in between.
static SPARE: OneThread<Cell<*mut u8>> = OneThread::new(Cell::new(ptr::null_mut()));

/// Room is never smaller than this, so that most requests' headers need no other.
const LEAST: usize = 4096;

/// In front of a room stands its size.
const HEAD: usize = size_of::<usize>();

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEAD)?, align_of::<usize>()).ok()
}

fn new_room(size: usize) -> *mut u8 {
    let size = size.max(LEAST);
    let Some(layout) = layout(size) else { return ptr::null_mut() };
    // SAFETY: the layout has a size above 0, and it has room for the head in front, aligned for it.
    unsafe {
        let start = alloc(layout);
        if start.is_null() {
            return start;
        }
        start.cast::<usize>().write(size);
        start.add(HEAD)
    }
}

/// # Safety
/// `room` came from [`new_room`], was not freed, and is not null.
unsafe fn size_of_room(room: *mut u8) -> usize {
    // SAFETY: its head stands in front of it, aligned as the allocation is.
    #[expect(clippy::cast_ptr_alignment, reason = "the allocation is aligned for the head")]
    unsafe {
        room.sub(HEAD).cast::<usize>().read()
    }
}

/// # Safety
/// As for [`size_of_room`]; the room is not used any more.
unsafe fn free(room: *mut u8) {
    // SAFETY: the layout is the one that the room was allocated with.
    unsafe {
        if let Some(layout) = layout(size_of_room(room)) {
            dealloc(room.sub(HEAD), layout);
        }
    }
}

/// Of the spare room and another one keeps the larger.
#[cold]
fn free_smaller(other: *mut u8) {
    let spare = SPARE.get().get();
    // SAFETY: both came from `new_room` and hold no value; of the two one is freed, and the other
    // one is the spare.
    unsafe {
        if size_of_room(other) > size_of_room(spare) {
            SPARE.get().set(other);
            free(spare);
        } else {
            free(other);
        }
    }
}

/// Room for a value that the host is about to hand over; null when there is none, which the host
/// reports as an error of its call.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    if size == 0 {
        return ptr::null_mut();
    }
    let spare = SPARE.get().replace(ptr::null_mut());
    if spare.is_null() {
        return new_room(size);
    }
    // SAFETY: the spare came from `new_room`, and it is not null. It holds no value, so it may be
    // freed.
    unsafe {
        if size_of_room(spare) >= size {
            return spare;
        }
        free(spare);
    }
    new_room(size)
}

/// Writes a line to the proxy's log.
pub(crate) fn log(level: Level, message: &str) {
    // SAFETY: pointer and length are those of a live string. A log line that cannot be written is
    // lost.
    let _ = unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// The plugin configuration of the context that is being configured. Its size is the one the host
/// announced.
pub(crate) fn plugin_configuration(size: usize) -> Option<HostBytes> {
    // SAFETY: the out-pointers are valid for the length of the call.
    HostBytes::from_call(|data, len| unsafe {
        proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, size, data, len)
    })
    .ok()
}

/// All request headers of the current stream, serialised.
pub(crate) fn request_headers() -> Option<HostBytes> {
    // SAFETY: the out-pointers are valid for the length of the call.
    HostBytes::from_call(|data, len| unsafe {
        proxy_get_header_map_pairs(REQUEST_HEADERS, data, len)
    })
    .ok()
}

/// Sets a request header to one value; adds it where it is missing. Whether it worked.
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

/// Adds a value of a request header. Whether it worked.
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

/// Removes a request header with all its values. Whether it worked.
#[must_use]
pub(crate) fn remove_request_header(name: &str) -> bool {
    // SAFETY: pointer and length are those of a live string.
    unsafe { proxy_remove_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len()) == OK }
}

/// The downstream address that the proxy trusts, as `ip:port`.
pub(crate) fn source_address() -> Option<HostBytes> {
    const PATH: &str = "source\0address";
    // SAFETY: the path is static, the out-pointers are valid for the length of the call.
    HostBytes::from_call(|data, len| unsafe {
        proxy_get_property(PATH.as_ptr(), PATH.len(), data, len)
    })
    .ok()
}

/// A counter, to be raised by [`increment`]. The same name gives the same counter.
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

/// Lets the timer of the current root, or of the current stream's root, fire every so many
/// milliseconds; 0 stops it. Whether the host has timers.
#[must_use]
pub(crate) fn set_tick_period(milliseconds: u32) -> bool {
    // SAFETY: a call without pointers.
    unsafe { proxy_set_tick_period_milliseconds(milliseconds) == OK }
}

/// Calls a function that the host offers beside the ABI, for the current context. `NotFound` may be
/// the host's word or the function's.
pub(crate) fn call_foreign_function(name: &str, argument: &[u8]) -> Result<HostBytes, Status> {
    // SAFETY: pointers and lengths are those of live slices, the out-pointers are valid for the
    // length of the call.
    HostBytes::from_call(|data, len| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            data,
            len,
        )
    })
}

/// Whether a context of this VM still exists. `current` is the one that the proxy called for, and
/// stays it.
pub(crate) fn is_there(context: u32, current: u32) -> bool {
    // SAFETY: calls without pointers. A host that does not know a context says so; one that says so
    // of the current context, too, knows none, and whatever else it says, nothing is forgotten.
    let (status, back) =
        unsafe { (proxy_set_effective_context(context), proxy_set_effective_context(current)) };
    status != BAD_ARGUMENT || back == BAD_ARGUMENT
}

/// Answers the current stream. Whether the proxy took the answer.
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
