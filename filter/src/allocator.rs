//! The module's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator { free: [const { Cell::new(ptr::null_mut()) }; SIZES] };

/// What is asked for is rounded up to a power of two, and what is freed is kept for the next one of
/// its size. So a policy that replaces another one finds all that the one before it left, however
/// the two lay in memory: pieces that were joined and broken up again with every policy would leave
/// holes, and memory would grow with them. Only what is larger than a table of 100,000 entries, as
/// a policy's document is, is given back.
struct Allocator {
    /// What is free, by size; in each piece stands where the next one is.
    free: [Cell<*mut u8>; SIZES],
}

// SAFETY: the module has no shared memory and starts no threads.
unsafe impl Sync for Allocator {}

/// The alignment of every allocation, which is that of the system's.
const ALIGNED: usize = 8;

/// The least and the largest size that is kept, as powers of two.
const KEPT: [u32; 2] = [4, 20];
const SIZES: usize = (KEPT[1] - KEPT[0] + 1) as usize;

/// The size that stands for a layout's.
fn rounded(layout: Layout) -> usize {
    layout.size().max(1 << KEPT[0]).checked_next_power_of_two().unwrap_or(usize::MAX)
}

impl Allocator {
    /// The list for pieces of this size.
    fn list_of(&self, layout: Layout) -> Option<&Cell<*mut u8>> {
        if layout.align() > ALIGNED {
            return None;
        }
        self.free.get(rounded(layout).trailing_zeros().wrapping_sub(KEPT[0]) as usize)
    }
}

// SAFETY: a piece comes from the system with its rounded size, and is either in the list of that
// size or in use, never both. A layout that has no list goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(list) = self.list_of(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        };
        let first = list.get();
        // SAFETY: the first word of a free piece is where the next one is; and a rounded size is
        // one, too.
        unsafe {
            if first.is_null() {
                return System.alloc(Layout::from_size_align_unchecked(rounded(layout), ALIGNED));
            }
            list.set(first.cast::<*mut u8>().read());
        }
        first
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        match self.list_of(layout) {
            // SAFETY: the caller uses the piece no longer, and it has room for a word.
            Some(list) => unsafe { place.cast::<*mut u8>().write(list.replace(place)) },
            // SAFETY: the caller's promise.
            None => unsafe { System.dealloc(place, layout) },
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: with this size, too, it is a layout. A piece does not
        // change: another one takes its place.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            match (self.list_of(layout), self.list_of(new)) {
                (None, None) => return System.realloc(place, layout, size),
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
