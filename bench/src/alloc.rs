//! A global allocator that counts the memory that the program holds. A binary or a test installs it
//! with `#[global_allocator]` and starts the counting where it needs it. Until then an allocation
//! costs one load more.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// The system's allocator with three counters beside it.
#[derive(Debug)]
pub struct Counting {
    on: AtomicBool,
    blocks: AtomicI64,
    bytes: AtomicI64,
    calls: AtomicU64,
}

/// A reading of the counters. Only the difference of two readings means something: memory that was
/// allocated before the counting began may be freed after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Blocks allocated and not freed.
    pub blocks: i64,
    /// Their bytes, as requested.
    pub bytes: i64,
    /// Calls that allocated or grew a block.
    pub calls: u64,
}

impl Held {
    /// The difference to an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Held) -> Held {
        Held {
            blocks: self.blocks - earlier.blocks,
            bytes: self.bytes - earlier.bytes,
            calls: self.calls - earlier.calls,
        }
    }
}

impl Counting {
    /// An allocator that does not count yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            on: AtomicBool::new(false),
            blocks: AtomicI64::new(0),
            bytes: AtomicI64::new(0),
            calls: AtomicU64::new(0),
        }
    }

    /// Starts counting. It cannot be stopped.
    pub fn start(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    /// A reading of the counters.
    pub fn held(&self) -> Held {
        Held {
            blocks: self.blocks.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            calls: self.calls.load(Ordering::Relaxed),
        }
    }

    fn note(&self, blocks: i64, bytes: i64) {
        if self.on.load(Ordering::Relaxed) {
            self.blocks.fetch_add(blocks, Ordering::Relaxed);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.calls.fetch_add(u64::from(blocks >= 0), Ordering::Relaxed);
        }
    }
}

impl Default for Counting {
    fn default() -> Self {
        Self::new()
    }
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

// SAFETY: every call is passed to the system's allocator unchanged, and the counters touch no
// memory of the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.note(1, size(layout.size()));
        // SAFETY: the caller's promises are those of `System.alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.note(1, size(layout.size()));
        // SAFETY: the caller's promises are those of `System.alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.note(-1, -size(layout.size()));
        // SAFETY: the caller's promises are those of `System.dealloc`, and the block came from
        // `System`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        self.note(0, size(new_size) - size(layout.size()));
        // SAFETY: the caller's promises are those of `System.realloc`, and the block came from
        // `System`.
        unsafe { System.realloc(block, layout, new_size) }
    }
}
