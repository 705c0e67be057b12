//! What the standard library would bring: the module's start, its allocator, its statics, and the
//! end of a panic.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::panic::PanicInfo;
use core::ptr;

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The allocator, as functions: within each of their callers they would be 8 KB more.
///
/// What is asked for is rounded up to a power of two, and what is freed is kept for the next one of
/// its size. So a policy that takes another one's place finds all that the one before it left,
/// however the two lay in memory: pieces that were joined and broken up again with every policy
/// would leave crumbs, and memory would grow with them. Only what is larger than a table of 100,000
/// entries needs in one piece, as a policy's document is, is given back.
struct Allocator;

/// The alignment of every allocation, which is dlmalloc's.
const ALIGNED: usize = 8;

/// The least and the largest size that is kept, as powers of two.
const KEPT: [u32; 2] = [4, 20];
const SIZES: usize = (KEPT[1] - KEPT[0] + 1) as usize;

/// What is free, by size; in each piece stands where the next one is.
static FREE: OneThread<[Cell<*mut u8>; SIZES]> =
    OneThread::new([const { Cell::new(ptr::null_mut()) }; SIZES]);

/// The size that stands for a layout's.
fn rounded(layout: Layout) -> usize {
    layout.size().max(1 << KEPT[0]).checked_next_power_of_two().unwrap_or(usize::MAX)
}

/// The list for pieces of this size.
fn list_of(layout: Layout) -> Option<&'static Cell<*mut u8>> {
    if layout.align() > ALIGNED {
        return None;
    }
    FREE.get().get(rounded(layout).trailing_zeros().wrapping_sub(KEPT[0]) as usize)
}

// SAFETY: a piece comes from dlmalloc with its rounded size, and is in the list of that size or in
// use, never both. What has no list is passed on as it came.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(list) = list_of(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { GlobalDlmalloc.alloc(layout) };
        };
        let first = list.get();
        // SAFETY: the first word of a free piece is where the next one is; and a rounded size is
        // one, too.
        unsafe {
            if first.is_null() {
                return GlobalDlmalloc
                    .alloc(Layout::from_size_align_unchecked(rounded(layout), ALIGNED));
            }
            list.set(first.cast::<*mut u8>().read());
        }
        first
    }

    #[inline(never)]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        match list_of(layout) {
            // SAFETY: the caller uses the piece no longer, and it has room for a word.
            Some(list) => unsafe { place.cast::<*mut u8>().write(list.replace(place)) },
            // SAFETY: the caller's promise.
            None => unsafe { GlobalDlmalloc.dealloc(place, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: with this size, too, it is a layout. A piece does not
        // change: another one takes its place.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            match (list_of(layout), list_of(new)) {
                (None, None) => return GlobalDlmalloc.realloc(place, layout, size),
                (Some(old), Some(new)) if ptr::eq(old, new) => return place,
                _ => {}
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

/// A panic traps the VM. There is none to be had: the lints of `lib.rs` refuse what could panic. So
/// nothing is said of it, and no text of any panic is in the module.
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

/// WASI calls this once, before anything else. A module without it would be taken for a command,
/// and the linker would wrap every export in a call of all constructors and destructors.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the ABI promises that this runs once, and first.
    unsafe { __wasm_call_ctors() }
}
