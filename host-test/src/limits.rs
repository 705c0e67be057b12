//! The limits of one VM: memory, table elements, fuel, time, and the host memory that a guest can
//! use through hostcalls. wasmtime's store limiter applies the first two, the VM and the hostcalls
//! the others.

use wasmtime::ResourceLimiter;

use crate::abi::Status;

/// The limits of one VM. The defaults are enough for any filter, and stop one that is out of
/// control.
///
/// ```
/// use gatepost_host::{EngineOptions, Host, Limits, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let engine = Engine::new(EngineOptions { fuel: true, ..EngineOptions::default() })?;
/// # let module = module_on(&engine, "spin");
///
/// // This guest never returns. The engine was made with `EngineOptions::fuel`.
/// let limits = Limits { fuel_per_callback: Some(100_000), ..Limits::default() };
/// let options = VmOptions { limits, ..VmOptions::default() };
/// let mut vm = Vm::new(&module, Host::default(), options)?;
/// # let plugin = vm.start_plugin(config("spin"))?;
/// # let stream = vm.stream(plugin, StreamInfo::default())?;
/// # let mut headers = request();
///
/// let error = vm.request_headers(stream, &mut headers, true).unwrap_err();
/// // The error names the guest, the callback and the limit.
/// let message = error.to_string();
/// assert!(message.starts_with("spin (plugin spin): trapped in proxy_on_request_headers: "));
/// assert!(message.ends_with("(limit fuel_per_callback)"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, of all memories together. Default 128 MiB. Beyond it, growth fails
    /// in the guest (`memory.grow` returns -1).
    pub memory_bytes: usize,
    /// Elements of all tables together. Default 100,000.
    pub table_elements: usize,
    /// Fuel for each callback; without fuel left, the callback traps. wasmtime uses about one unit
    /// for each instruction, and a hostcall what its work comes to, so the same work costs the same
    /// on every machine. Default none. Needs [`EngineOptions::fuel`](crate::EngineOptions).
    pub fuel_per_callback: Option<u64>,
    /// Epoch ticks for each callback; after them, the callback traps. Default none. Needs
    /// [`EngineOptions::epochs`](crate::EngineOptions) and regular calls of
    /// [`Engine::tick_epoch`](crate::Engine::tick_epoch).
    pub epochs_per_callback: Option<u64>,
    /// Bytes of one header map that a guest writes to: names and values, and 32 for each header, as
    /// HTTP/2 counts. Default 1 MiB. Beyond it a hostcall answers `InternalFailure`.
    pub header_map_bytes: usize,
    /// Bytes of one body that a guest writes to, of one result of a foreign function, and of all
    /// local replies that the driver has not taken yet. Default 64 MiB. Beyond it a hostcall
    /// answers `InternalFailure`.
    pub body_bytes: usize,
    /// Bytes of one log line; longer lines are cut. Default 64 KiB.
    pub log_bytes: usize,
    /// Metrics that one VM may define. Default 16,384. Beyond it a hostcall answers
    /// `InternalFailure`.
    pub metrics: usize,
    /// Bytes of the names of a VM's metrics. Default 1 MiB. Beyond it a hostcall answers
    /// `InternalFailure`.
    pub metric_bytes: usize,
    /// Callouts that one VM may have open at once. Default 1,024. Beyond it a hostcall answers
    /// `InternalFailure`, and also when their requests, and the messages that were not taken yet,
    /// have more bytes than `body_bytes`.
    pub callouts: usize,
    /// Bytes that a guest may keep on one stream with `proxy_set_property`. Default 1 MiB. Beyond
    /// it a hostcall answers `InternalFailure`.
    pub filter_state_bytes: usize,
    /// Events that may follow from one event of the proxy: a guest that is called for an item of a
    /// queue puts others into queues. Default 100,000. Beyond it the VM that would be called traps.
    pub chained_events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 128 << 20,
            table_elements: 100_000,
            fuel_per_callback: None,
            epochs_per_callback: None,
            header_map_bytes: 1 << 20,
            body_bytes: 64 << 20,
            log_bytes: 64 << 10,
            metrics: 16_384,
            metric_bytes: 1 << 20,
            callouts: 1024,
            filter_state_bytes: 1 << 20,
            chained_events: 100_000,
        }
    }
}

/// Why a host does not do what a guest asks for: a limit, by its field in [`Limits`] or
/// [`SharedLimits`](crate::SharedLimits), or another reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Limit(&'static str),
    Status(Status),
}

impl Refused {
    /// What the guest gets.
    pub(crate) fn status(self) -> Status {
        match self {
            Refused::Limit(_) => Status::InternalFailure,
            Refused::Status(status) => status,
        }
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Refused::Status(status)
    }
}

/// An end that the host makes to a guest that has exceeded this limit.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("more than {most} events followed from one event of the proxy")]
pub(crate) struct TooManyEvents {
    pub(crate) most: usize,
}

/// Counts the memory that wasmtime allocates, and remembers which limit denied some, so that the
/// report of a trap can name it.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_limit: usize,
    memory_used: usize,
    table_limit: usize,
    table_used: usize,
    pub(crate) denied: Option<&'static str>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.memory_bytes,
            memory_used: 0,
            table_limit: limits.table_elements,
            table_used: 0,
            denied: None,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.memory_used.saturating_sub(current).saturating_add(desired);
        if used > self.memory_limit {
            self.denied = Some("memory_bytes");
            return Ok(false);
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.table_used.saturating_sub(current).saturating_add(desired);
        if used > self.table_limit {
            self.denied = Some("table_elements");
            return Ok(false);
        }
        self.table_used = used;
        Ok(true)
    }
}
