//! Replies: the answers that the gateway gives itself instead of forwarding a request.

use std::borrow::Cow;

use crate::counter::Counter;

/// A local reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// The rule that answered, for access logs (`%RESPONSE_CODE_DETAILS%`), such as
    /// `gatepost.host.private`.
    pub details: Cow<'a, str>,
    /// What a person reads.
    pub body: Cow<'a, str>,
    /// The gRPC status, when the request is gRPC.
    pub grpc_status: Option<u32>,
}

/// Why a request is answered here, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// A rule refuses it.
    Refusal(Refusal),
    /// It is a probe that the policy answers.
    HealthCheck {
        /// The health check's name.
        name: &'a str,
        /// The HTTP status, 200 to 599.
        status: u16,
        /// What a person reads.
        body: &'a str,
    },
}

impl From<Refusal> for Answer<'_> {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl<'a> Answer<'a> {
    /// The local reply.
    #[must_use]
    #[cold]
    pub fn reply(self, grpc: bool) -> Reply<'a> {
        match self {
            Self::Refusal(refusal) => refusal.reply(grpc),
            Self::HealthCheck { name, status, body } => Reply {
                status,
                details: format!("{}{name}", Counter::HEALTH_CHECK_PREFIX).into(),
                body: Cow::Borrowed(if grpc { body.trim_ascii_end() } else { body }),
                grpc_status: grpc.then(|| grpc_status_of(status)),
            },
        }
    }
}

/// The gRPC status that an HTTP status is for a gRPC client, by gRPC's own rule
/// (`http-grpc-status-mapping` in gRPC's documentation), which Envoy follows.
fn grpc_status_of(status: u16) -> u32 {
    const UNKNOWN: u32 = 2;
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => UNKNOWN,
    }
}

/// The rule by which a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The Host is no valid authority.
    HostInvalid,
    /// The Host is private.
    HostPrivate,
    /// No mapping matches the Host.
    HostUnmapped,
    /// A template gave no valid authority for this request: it became too long, or the host is an
    /// IP literal.
    HostUnmappable,
    /// The environment named is not allowed.
    EnvironmentUnknown,
}

impl Refusal {
    /// The local reply of this refusal. Its text reveals nothing about the policy.
    #[must_use]
    #[cold]
    pub fn reply<'a>(self, grpc: bool) -> Reply<'a> {
        // gRPC's own mapping of HTTP 404 is UNIMPLEMENTED, which is also what Envoy answers where
        // no route is found. A bad Host is the caller's mistake, so INVALID_ARGUMENT and not the
        // INTERNAL of that mapping.
        const INVALID_ARGUMENT: u32 = 3;
        const UNIMPLEMENTED: u32 = 12;
        let (status, details, body, grpc_status) = match self {
            Self::HostInvalid => (400, "gatepost.host.invalid", "invalid Host\n", INVALID_ARGUMENT),
            Self::HostUnmappable => {
                (400, "gatepost.host.unmappable", "the Host cannot be mapped\n", INVALID_ARGUMENT)
            }
            Self::HostPrivate => (404, "gatepost.host.private", "not found\n", UNIMPLEMENTED),
            Self::HostUnmapped => (404, "gatepost.host.unmapped", "not found\n", UNIMPLEMENTED),
            Self::EnvironmentUnknown => {
                (404, "gatepost.environment.unknown", "unknown environment\n", UNIMPLEMENTED)
            }
        };
        // For gRPC the body becomes the grpc-message, where a line end would be seen as %0A.
        let body = if grpc { body.trim_ascii_end() } else { body };
        Reply {
            status,
            details: details.into(),
            body: body.into(),
            grpc_status: grpc.then_some(grpc_status),
        }
    }
}
