//! Where a guest's log lines go. The host keeps no log of its own: the embedding program gives a
//! sink.

use std::sync::{Arc, Mutex, PoisonError};

use crate::abi::LogLevel;

/// One line that a guest logged, with the plugin it came from.
///
/// ```
/// use gatepost_host::{LogLevel, LogRecord};
///
/// fn line(record: &LogRecord<'_>) -> String {
///     format!("{} {}: {}", record.level, record.plugin, String::from_utf8_lossy(record.message))
/// }
///
/// let record =
///     LogRecord { level: LogLevel::Warn, plugin: "tag", root_id: "", vm_id: "", context: 2, message: b"no such tag" };
/// assert_eq!(line(&record), "warn tag: no such tag");
/// ```
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

/// Takes log lines. Called on the thread that runs the VM, between two instructions of the guest:
/// it should not block.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use gatepost_host::{Host, LogLevel, LogRecord, LogSink};
///
/// /// Prints warnings and worse, and counts them.
/// #[derive(Default)]
/// struct Warnings(AtomicUsize);
///
/// impl LogSink for Warnings {
///     fn log(&self, record: LogRecord<'_>) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         eprintln!("{} {}: {}", record.level, record.plugin, String::from_utf8_lossy(record.message));
///     }
///
///     fn level(&self) -> LogLevel {
///         LogLevel::Warn
///     }
/// }
///
/// let warnings = Arc::new(Warnings::default());
/// let host = Host { log: warnings.clone(), ..Host::default() };
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, plugin) = started_with("count", host);
/// vm.tick(plugin)?; // this guest logs `tick` with the level `Info`, which is not wanted
/// assert_eq!(warnings.0.load(Ordering::Relaxed), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait LogSink: Send + Sync {
    /// Takes one line. Lines below [`level`](LogSink::level) do not come.
    fn log(&self, record: LogRecord<'_>);
    /// The least level that is wanted; `proxy_get_log_level` answers it.
    fn level(&self) -> LogLevel {
        LogLevel::Trace
    }
}

/// Drops every line.
///
/// ```
/// use gatepost_host::{LogLevel, LogSink, NoLog};
///
/// assert_eq!(NoLog.level(), LogLevel::Critical); // guests that ask need not make the others
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLog;

impl LogSink for NoLog {
    fn log(&self, _record: LogRecord<'_>) {}

    fn level(&self) -> LogLevel {
        LogLevel::Critical
    }
}

/// A line kept by [`MemoryLog`].
///
/// ```
/// # use gatepost_host::*;
/// # let log = MemoryLog::default();
/// # log.log(LogRecord { level: LogLevel::Info, plugin: "p", root_id: "", vm_id: "", context: 1, message: b"tick" });
/// assert_eq!(log.lines(), [LogLine { level: LogLevel::Info, plugin: "p".into(), message: "tick".into() }]);
/// ```
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
///
/// ```
/// use std::sync::Arc;
/// use gatepost_host::{Host, LogLevel, MemoryLog, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("count");
///
/// let log = MemoryLog::default();
/// let mut vm = Vm::new(&module, Host { log: Arc::new(log.clone()), ..Host::default() }, VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig::default())?;
/// vm.tick(plugin)?;
/// assert_eq!(log.messages(), ["tick"]);
/// assert_eq!(log.lines()[0].level, LogLevel::Info);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    lines: Arc<Mutex<Vec<LogLine>>>,
}

impl MemoryLog {
    /// The lines so far, oldest first.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let log = MemoryLog::default();
    /// # log.log(LogRecord { level: LogLevel::Warn, plugin: "p", root_id: "", vm_id: "", context: 1, message: b"late" });
    /// let warnings = log.lines().into_iter().filter(|line| line.level >= LogLevel::Warn).count();
    /// assert_eq!(warnings, 1);
    /// ```
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The messages so far, oldest first.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let log = MemoryLog::default();
    /// # log.log(LogRecord { level: LogLevel::Warn, plugin: "p", root_id: "", vm_id: "", context: 1, message: b"late" });
    /// assert_eq!(log.messages(), ["late"]);
    /// ```
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
