//! The module's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator { free: [const { Cell::new(ptr::null_mut()) }; SIZES] };

/// Rounds every size up to a power of two, and keeps each freed piece for the next allocation of
/// the same size. So a new policy reuses the memory of the policy that it replaces. An allocator
/// that joins and splits pieces would leave holes with every policy, and memory would grow. Only
/// pieces larger than a table of 100,000 entries, such as a policy's document, go back to the
/// system's allocator.
struct Allocator {
    /// The first free piece of each size. Each free piece holds the address of the next one.
    free: [Cell<*mut u8>; SIZES],
}

// SAFETY: the module has no shared memory and starts no threads.
unsafe impl Sync for Allocator {}

/// The alignment of every allocation, which is that of the system's allocator.
const ALIGNED: usize = 8;

/// The smallest and the largest size that is kept, as powers of two.
const KEPT: [u32; 2] = [4, 20];
const SIZES: usize = (KEPT[1] - KEPT[0] + 1) as usize;

/// The size of the piece for a layout.
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
        // SAFETY: the first word of a free piece is the address of the next one. A rounded size is
        // a valid size for a layout.
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
            // SAFETY: the caller no longer uses the piece, and it has room for a word.
            Some(list) => unsafe { place.cast::<*mut u8>().write(list.replace(place)) },
            // SAFETY: the caller's promise.
            None => unsafe { System.dealloc(place, layout) },
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size makes a valid layout. A piece never changes
        // its size: a new one replaces it.
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
