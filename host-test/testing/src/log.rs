//! Keeps the log lines of a test with the context that wrote each, so that each phase's lines can
//! be found.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gatepost_diagnostics::Diagnostic;
use gatepost_host::{LogLevel, LogRecord, LogSink};

use crate::report::mismatch;

/// One line as a guest wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: LogLevel,
    pub(crate) context: u32,
    pub(crate) message: Bytes,
}

/// A sink that keeps lines from a level on. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    level: LogLevel,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<Line>,
    bytes: usize,
    is_full: bool,
}

/// What the lines of a test may take in memory. A test whose plugin logs more fails.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// What a line counts beside its message: its place in a list that has grown to twice its length,
/// and its allocations.
const LINE_BYTES: usize = 160;

impl Lines {
    pub(crate) fn from(level: LogLevel) -> Self {
        Self { level, kept: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to report of a log that is full: it is not known what its plugin logged after that.
    pub(crate) fn overflow(&self) -> Option<Diagnostic> {
        let found = "more: the lines after them are dropped";
        self.lock()
            .is_full
            .then(|| mismatch("log", "size", format!("at most {MAX_BYTES} bytes of lines"), found))
    }

    /// How many lines there are: the index of the next one.
    pub(crate) fn len(&self) -> usize {
        self.lock().lines.len()
    }

    /// The lines from an index on.
    pub(crate) fn since(&self, start: usize) -> Vec<Line> {
        self.lock().lines.get(start..).unwrap_or_default().to_vec()
    }
}

impl LogSink for Lines {
    fn log(&self, record: LogRecord<'_>) {
        let mut kept = self.lock();
        let bytes = kept.bytes + record.message.len() + LINE_BYTES;
        if kept.is_full || bytes > MAX_BYTES {
            kept.is_full = true;
            return;
        }
        kept.bytes = bytes;
        kept.lines.push(Line {
            level: record.level,
            context: record.context,
            message: Bytes::copy_from_slice(record.message),
        });
    }

    fn level(&self) -> LogLevel {
        self.level
    }
}
