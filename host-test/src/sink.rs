//! Where a guest's log lines go. The host keeps no log of its own: the embedding program gives a sink.

use std::sync::{Arc, Mutex, PoisonError};

use crate::abi::LogLevel;

/// One line that a guest logged, with the plugin it came from.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// How urgent the guest says it is. Standard output is `Info`, standard error `Error`.
    pub level: LogLevel,
    /// The plugin's name; empty while a VM starts, before any plugin does.
    pub plugin: &'a str,
    /// The root context's id as configured.
    pub root_id: &'a str,
    /// The VM's id as configured.
    pub vm_id: &'a str,
    /// The context that logged, as the guest numbers it; 0 while a VM starts.
    pub context: u32,
    /// What was logged. A guest may write bytes that are no UTF-8.
    pub message: &'a [u8],
}

/// Takes log lines. Called on the thread that runs the VM, between two instructions of the guest: it should not block.
pub trait LogSink: Send + Sync {
    /// Takes one line. Lines below [`level`](LogSink::level) do not come.
    fn log(&self, record: LogRecord<'_>);
    /// The least level that is wanted; `proxy_get_log_level` answers it.
    fn level(&self) -> LogLevel {
        LogLevel::Trace
    }
}

/// Drops every line.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLog;

impl LogSink for NoLog {
    fn log(&self, _record: LogRecord<'_>) {}

    fn level(&self) -> LogLevel {
        LogLevel::Critical
    }
}

/// A line kept by [`MemoryLog`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How urgent.
    pub level: LogLevel,
    /// The plugin's name.
    pub plugin: String,
    /// The message, bytes that are no UTF-8 replaced.
    pub message: String,
}

/// Keeps every line in memory, for tests. Clones share the lines.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    lines: Arc<Mutex<Vec<LogLine>>>,
}

impl MemoryLog {
    /// The lines so far, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The messages so far, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        self.lines().into_iter().map(|line| line.message).collect()
    }
}

impl LogSink for MemoryLog {
    fn log(&self, record: LogRecord<'_>) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(LogLine {
            level: record.level,
            plugin: record.plugin.to_owned(),
            message: String::from_utf8_lossy(record.message).into_owned(),
        });
    }
}
