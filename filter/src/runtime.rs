//! What the standard library would bring: the module's start, its allocator, its statics, and the end of a panic.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::panic::PanicInfo;
use core::ptr;

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The allocator, as functions: within each of their callers they would be 8 KB more.
///
/// The tables of a policy stand on pages whose sizes are powers of two. Pages that are freed are kept for the next policy, one list
/// for each size: given back, they would be joined and broken up again with every policy, and memory would grow with the crumbs.
struct Allocator;

/// What dlmalloc aligns every allocation to.
const ALIGNED: usize = 8;

/// The smallest and the largest of these pages, as powers of two.
const PAGES: [u32; 2] = [13, 20];
const SIZES: usize = (PAGES[1] - PAGES[0] + 1) as usize;

/// The pages that are free; in each stands where the next one of its size is.
static FREE: OneThread<[Cell<*mut u8>; SIZES]> = OneThread::new([const { Cell::new(ptr::null_mut()) }; SIZES]);

/// The list for a page of this layout.
#[inline]
fn list_of(layout: Layout) -> Option<&'static Cell<*mut u8>> {
    if !layout.size().is_power_of_two() || layout.align() > ALIGNED {
        return None;
    }
    let number = layout.size().trailing_zeros().checked_sub(PAGES[0])?;
    FREE.get().get(number as usize)
}

// SAFETY: a page comes from dlmalloc with its layout, and is in the list of its size or in use, never both. All other calls are
// passed on as they came.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(list) = list_of(layout)
            && !list.get().is_null()
        {
            // SAFETY: the first word of a page in the list is where the next one is.
            return list.replace(unsafe { list.get().cast::<*mut u8>().read_unaligned() });
        }
        // SAFETY: the caller's promise.
        unsafe { GlobalDlmalloc.alloc(layout) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        match list_of(layout) {
            // SAFETY: the caller uses the page no longer, and it has room for a word.
            Some(list) => unsafe { place.cast::<*mut u8>().write_unaligned(list.replace(place)) },
            // SAFETY: the caller's promise.
            None => unsafe { GlobalDlmalloc.dealloc(place, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: with this size, too, it is a layout. A page does not change: another one takes its place.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            if list_of(layout).is_none() && list_of(new).is_none() {
                return GlobalDlmalloc.realloc(place, layout, size);
            }
            let moved = self.alloc(new);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(place, moved, layout.size().min(size));
                self.dealloc(place, layout);
            }
            moved
        }
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
