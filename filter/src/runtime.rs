//! What the standard library would bring: the module's start, its allocator, its statics, and the end of a panic.

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The allocator, as functions: within each of their callers they would be 8 KB more.
struct Allocator;

// SAFETY: each call is passed on as it came.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { GlobalDlmalloc.alloc(layout) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { GlobalDlmalloc.dealloc(place, layout) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { GlobalDlmalloc.realloc(place, layout, size) }
    }
}

// `memcmp` and its like, which the compiler calls, are in the target's C library.
#[link(name = "c")]
unsafe extern "C" {}

/// A panic traps the VM. There is none to be had: the lints of `lib.rs` refuse what could panic. So nothing is said of it, and
/// no text of any panic is in the module.
#[panic_handler]
fn trap(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// A static of a module that only one thread ever enters.
pub(crate) struct OneThread<T>(T);

// SAFETY: the module has no shared memory and starts no threads, so there is one thread.
unsafe impl<T> Sync for OneThread<T> {}

impl<T> OneThread<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    pub const fn get(&self) -> &T {
        &self.0
    }
}

unsafe extern "C" {
    /// What the linker gathers of a module's static constructors.
    fn __wasm_call_ctors();
}

/// WASI calls this once, before anything else. A module without it would be taken for a command, and the linker would wrap
/// every export in a call of all constructors and destructors.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the ABI promises that this runs once, and first.
    unsafe { __wasm_call_ctors() }
}
