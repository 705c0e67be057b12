//! Keeps the log lines of a test with the context that wrote each, so that a phase's lines can be
//! told from another's.

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

    /// How many there are: a mark from which later ones are told.
    pub(crate) fn len(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Those after a mark.
    pub(crate) fn since(&self, mark: usize) -> Vec<Line> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(mark..)
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
