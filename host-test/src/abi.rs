//! The numbers of the proxy-wasm ABI: versions, statuses, log levels, and the kinds of maps,
//! buffers and streams. Hostcalls convert a guest's integers to these types and back.

use serde::{Deserialize, Serialize};

/// The ABI version that a module announces with an export `proxy_abi_version_*`.
///
/// ```
/// use gatepost_host::AbiVersion;
///
/// assert_eq!(AbiVersion::V0_2_1.to_string(), "0.2.1");
/// assert_eq!(AbiVersion::V0_2_1.marker(), "proxy_abi_version_0_2_1");
/// assert!(AbiVersion::V0_1_0 < AbiVersion::V0_2_0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AbiVersion {
    /// 0.1.0: `proxy_get_configuration`, `proxy_continue_request`; a missing header reads as empty.
    #[serde(rename = "0.1.0")]
    V0_1_0,
    /// 0.2.0: header callbacks get `end_of_stream`; a missing header is `NotFound`.
    #[serde(rename = "0.2.0")]
    V0_2_0,
    /// 0.2.1: adds `proxy_get_log_level`.
    #[serde(rename = "0.2.1")]
    V0_2_1,
}

impl AbiVersion {
    /// Every version that this host runs, oldest first.
    pub const ALL: [AbiVersion; 3] = [AbiVersion::V0_1_0, AbiVersion::V0_2_0, AbiVersion::V0_2_1];

    /// The export with which a module announces this version.
    #[must_use]
    pub fn marker(self) -> &'static str {
        match self {
            AbiVersion::V0_1_0 => "proxy_abi_version_0_1_0",
            AbiVersion::V0_2_0 => "proxy_abi_version_0_2_0",
            AbiVersion::V0_2_1 => "proxy_abi_version_0_2_1",
        }
    }
}

impl std::fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AbiVersion::V0_1_0 => "0.1.0",
            AbiVersion::V0_2_0 => "0.2.0",
            AbiVersion::V0_2_1 => "0.2.1",
        })
    }
}

/// The status that a hostcall returns to the guest (`proxy_status_t`).
///
/// ```
/// use gatepost_host::Status;
///
/// assert_eq!(Status::NotFound.code(), 1);
/// assert_eq!(format!("{:?}", Status::CasMismatch), "CasMismatch"); // in recorded events
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    ParseFailure = 4,
    BadExpression = 5,
    InvalidMemoryAccess = 6,
    Empty = 7,
    CasMismatch = 8,
    ResultMismatch = 9,
    InternalFailure = 10,
    BrokenConnection = 11,
    Unimplemented = 12,
}

impl Status {
    /// The number that the guest gets.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }
}

/// The level of a log line (`proxy_log_level_t`), lowest first.
///
/// ```
/// use gatepost_host::LogLevel;
///
/// assert!(LogLevel::Debug < LogLevel::Warn);
/// assert_eq!(LogLevel::Warn.to_string(), "warn");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum LogLevel {
    Trace = 0,
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

impl LogLevel {
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        use LogLevel::{Critical, Debug, Error, Info, Trace, Warn};
        [Trace, Debug, Info, Warn, Error, Critical].get(usize::try_from(code).ok()?).copied()
    }
}

impl LogLevel {
    /// The name in recorded events and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
            LogLevel::Critical => "critical",
        }
    }
}

impl std::fmt::Display for LogLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A header map that a guest names in a hostcall (`proxy_map_type_t`).
///
/// ```
/// use gatepost_host::MapKind;
///
/// assert_eq!(MapKind::ResponseTrailers.name(), "response_trailers");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum MapKind {
    RequestHeaders = 0,
    RequestTrailers = 1,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    GrpcCallInitialMetadata = 4,
    GrpcCallTrailingMetadata = 5,
    HttpCallResponseHeaders = 6,
    HttpCallResponseTrailers = 7,
}

impl MapKind {
    /// The name in recorded events and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MapKind::RequestHeaders => "request_headers",
            MapKind::RequestTrailers => "request_trailers",
            MapKind::ResponseHeaders => "response_headers",
            MapKind::ResponseTrailers => "response_trailers",
            MapKind::GrpcCallInitialMetadata => "grpc_call_initial_metadata",
            MapKind::GrpcCallTrailingMetadata => "grpc_call_trailing_metadata",
            MapKind::HttpCallResponseHeaders => "http_call_response_headers",
            MapKind::HttpCallResponseTrailers => "http_call_response_trailers",
        }
    }

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        use MapKind::{
            GrpcCallInitialMetadata, GrpcCallTrailingMetadata, HttpCallResponseHeaders,
            HttpCallResponseTrailers, RequestHeaders, RequestTrailers, ResponseHeaders,
            ResponseTrailers,
        };
        [
            RequestHeaders,
            RequestTrailers,
            ResponseHeaders,
            ResponseTrailers,
            GrpcCallInitialMetadata,
            GrpcCallTrailingMetadata,
            HttpCallResponseHeaders,
            HttpCallResponseTrailers,
        ]
        .get(usize::try_from(code).ok()?)
        .copied()
    }
}

/// A buffer that a guest names in a hostcall (`proxy_buffer_type_t`).
///
/// ```
/// use gatepost_host::BufferKind;
///
/// assert_eq!(BufferKind::PluginConfiguration.name(), "plugin_configuration");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum BufferKind {
    HttpRequestBody = 0,
    HttpResponseBody = 1,
    DownstreamData = 2,
    UpstreamData = 3,
    HttpCallResponseBody = 4,
    GrpcCallMessage = 5,
    VmConfiguration = 6,
    PluginConfiguration = 7,
    ForeignFunctionArguments = 8,
}

impl BufferKind {
    /// The name in recorded events and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            BufferKind::HttpRequestBody => "http_request_body",
            BufferKind::HttpResponseBody => "http_response_body",
            BufferKind::DownstreamData => "downstream_data",
            BufferKind::UpstreamData => "upstream_data",
            BufferKind::HttpCallResponseBody => "http_call_response_body",
            BufferKind::GrpcCallMessage => "grpc_call_message",
            BufferKind::VmConfiguration => "vm_configuration",
            BufferKind::PluginConfiguration => "plugin_configuration",
            BufferKind::ForeignFunctionArguments => "foreign_function_arguments",
        }
    }

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        use BufferKind::{
            DownstreamData, ForeignFunctionArguments, GrpcCallMessage, HttpCallResponseBody,
            HttpRequestBody, HttpResponseBody, PluginConfiguration, UpstreamData, VmConfiguration,
        };
        [
            HttpRequestBody,
            HttpResponseBody,
            DownstreamData,
            UpstreamData,
            HttpCallResponseBody,
            GrpcCallMessage,
            VmConfiguration,
            PluginConfiguration,
            ForeignFunctionArguments,
        ]
        .get(usize::try_from(code).ok()?)
        .copied()
    }
}

/// The direction of a stream that a guest continues or closes (`proxy_stream_type_t`).
///
/// ```
/// use gatepost_host::StreamKind;
///
/// assert_eq!(StreamKind::HttpRequest.name(), "http_request");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum StreamKind {
    HttpRequest = 0,
    HttpResponse = 1,
    Downstream = 2,
    Upstream = 3,
}

impl StreamKind {
    /// The name in recorded events and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            StreamKind::HttpRequest => "http_request",
            StreamKind::HttpResponse => "http_response",
            StreamKind::Downstream => "downstream",
            StreamKind::Upstream => "upstream",
        }
    }

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        use StreamKind::{Downstream, HttpRequest, HttpResponse, Upstream};
        [HttpRequest, HttpResponse, Downstream, Upstream].get(usize::try_from(code).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_beyond_the_specification_are_no_kind() {
        assert_eq!(MapKind::from_code(7), Some(MapKind::HttpCallResponseTrailers));
        assert_eq!(MapKind::from_code(8), None);
        assert_eq!(BufferKind::from_code(8), Some(BufferKind::ForeignFunctionArguments));
        assert_eq!(BufferKind::from_code(u32::MAX), None);
        assert_eq!(StreamKind::from_code(4), None);
        assert_eq!(LogLevel::from_code(5), Some(LogLevel::Critical));
        assert_eq!(LogLevel::from_code(6), None);
    }
}
