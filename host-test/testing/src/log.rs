//! Keeps the log lines of a test with the context that wrote each, so that each phase's lines can
//! be found.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gatepost_host::{LogLevel, LogRecord, LogSink};

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
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Lines {
    pub(crate) fn from(level: LogLevel) -> Self {
        Self { level, lines: Arc::default() }
    }

    /// How many lines there are: the index of the next one.
    pub(crate) fn len(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The lines from an index on.
    pub(crate) fn since(&self, start: usize) -> Vec<Line> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(start..)
            .unwrap_or_default()
            .to_vec()
    }
}

impl LogSink for Lines {
    fn log(&self, record: LogRecord<'_>) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(Line {
            level: record.level,
            context: record.context,
            message: Bytes::copy_from_slice(record.message),
        });
    }

    fn level(&self) -> LogLevel {
        self.level
    }
}
