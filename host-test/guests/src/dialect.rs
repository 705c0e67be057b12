//! The hostcalls that differ between versions of the ABI.

use crate::abi::Status;

/// A hostcall that returns bytes.
type GetBytes = fn() -> (Status, Vec<u8>);

/// The hostcalls that differ between versions of the ABI: a module imports only those of its
/// version.
pub struct Dialect {
    /// Continues a stream of this kind.
    pub continue_stream: fn(u32) -> Status,
    /// Closes a stream of this kind.
    pub close_stream: Option<fn(u32) -> Status>,
    /// The host's log level.
    pub log_level: Option<fn() -> (Status, u32)>,
    /// The hostcall `proxy_clear_route_cache`.
    pub clear_route_cache: Option<fn() -> Status>,
    /// The hostcall `proxy_get_configuration`.
    pub configuration: Option<GetBytes>,
}
