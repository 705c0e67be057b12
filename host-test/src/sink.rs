//! The log lines of guests. The host has no log of its own: the embedding program gives a sink.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::abi::LogLevel;
use crate::bounded::Bounded;
use crate::text::lossy;

/// One line that a guest logged, and the plugin that logged it.
///
/// ```
/// use gatepost_host::{LogLevel, LogRecord};
///
/// fn line(record: &LogRecord<'_>) -> String {
///     format!("{} {}: {}", record.level, record.plugin, String::from_utf8_lossy(record.message))
/// }
///
/// let record = LogRecord {
///     level: LogLevel::Warn,
///     plugin: "tag",
///     root_id: "",
///     vm_id: "",
///     context: 2,
///     message: b"no such tag",
/// };
/// assert_eq!(line(&record), "warn tag: no such tag");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// The level. Standard output is `Info`, standard error `Error`.
    pub level: LogLevel,
    /// The plugin's name; empty while a VM starts.
    pub plugin: &'a str,
    /// The root context's id as configured.
    pub root_id: &'a str,
    /// The VM's id as configured.
    pub vm_id: &'a str,
    /// The id of the context that logged; 0 while a VM starts.
    pub context: u32,
    /// The message. It may have bytes that are not UTF-8.
    pub message: &'a [u8],
}

/// Takes log lines. It is called on the thread that runs the VM, while the guest waits, so it
/// should not block.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use gatepost_host::{Host, LogLevel, LogRecord, LogSink};
///
/// /// Counts warnings and errors.
/// #[derive(Default)]
/// struct Warnings(AtomicUsize);
///
/// impl LogSink for Warnings {
///     fn log(&self, _: LogRecord<'_>) {
///         self.0.fetch_add(1, Ordering::Relaxed);
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
/// vm.tick(plugin)?; // this guest logs `tick` with the level `Info`
/// assert_eq!(warnings.0.load(Ordering::Relaxed), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait LogSink: Send + Sync {
    /// Takes one line. It is not called for lines below [`level`](LogSink::level).
    fn log(&self, record: LogRecord<'_>);
    /// The lowest level that is logged; guests get it with `proxy_get_log_level`.
    fn level(&self) -> LogLevel {
        LogLevel::Trace
    }
}

/// Drops every line.
///
/// ```
/// use gatepost_host::{LogLevel, LogSink, NoLog};
///
/// // Guests that ask for the level make no other lines.
/// assert_eq!(NoLog.level(), LogLevel::Critical);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLog;

impl LogSink for NoLog {
    fn log(&self, _record: LogRecord<'_>) {}

    fn level(&self) -> LogLevel {
        LogLevel::Critical
    }
}

/// The allocations of a line.
const LINE_BYTES: usize = 64;

/// A line kept by [`MemoryLog`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The level.
    pub level: LogLevel,
    /// The plugin's name.
    pub plugin: String,
    /// The message. Bytes that are not UTF-8 are replaced.
    pub message: String,
}

/// Keeps lines in memory, for tests, up to 64 MiB; the lines after that are counted only. Clones
/// share the lines.
///
/// ```
/// use std::sync::Arc;
/// use gatepost_host::{Host, LogLevel, MemoryLog, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("count");
///
/// let log = MemoryLog::default();
/// let host = Host { log: Arc::new(log.clone()), ..Host::default() };
/// let mut vm = Vm::new(&module, host, VmOptions::default())?;
/// # let plugin = vm.start_plugin(PluginConfig::default())?;
/// vm.tick(plugin)?;
/// assert_eq!(log.messages(), ["tick"]);
/// assert_eq!(log.lines()[0].level, LogLevel::Info);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    lines: Arc<Mutex<Bounded<LogLine>>>,
}

impl MemoryLog {
    /// An empty log for lines that take so many bytes.
    ///
    /// ```
    /// use gatepost_host::MemoryLog;
    ///
    /// let log = MemoryLog::with_limit(1 << 20);
    /// assert_eq!((log.lines().len(), log.dropped()), (0, 0));
    /// ```
    #[must_use]
    pub fn with_limit(bytes: usize) -> Self {
        Self { lines: Arc::new(Mutex::new(Bounded::new(bytes))) }
    }

    /// The lines so far, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.lock().items().to_vec()
    }

    /// How many lines came when the log was full.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.lock().dropped()
    }

    fn lock(&self) -> MutexGuard<'_, Bounded<LogLine>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages so far, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        self.lines().into_iter().map(|line| line.message).collect()
    }
}

impl LogSink for MemoryLog {
    fn log(&self, record: LogRecord<'_>) {
        let line = LogLine {
            level: record.level,
            plugin: record.plugin.to_owned(),
            message: lossy(record.message),
        };
        let bytes = line.plugin.len() + line.message.len() + LINE_BYTES;
        self.lock().push(line, bytes);
    }
}
