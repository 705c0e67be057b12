//! What a policy decides about one request, as data: what is to be written, or what is to be
//! answered, and what is to be counted. Whoever holds a decision carries it out; nothing here
//! touches a request.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::plain::text;

/// The decision on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What happens to the request.
    pub verdict: Verdict<'a>,
    /// What is counted.
    pub counters: Counters,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It goes on, with these changes.
    Forward(Writes<'a>),
    /// It is answered here.
    Reply(Reply<'a>),
}

/// The changes of a request. Only what really changes is in here: an empty one leaves the request
/// as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes<'a> {
    /// The new `:authority`.
    pub authority: Option<Cow<'a, str>>,
    /// The new `:path`.
    pub path: Option<&'a str>,
    /// Headers to be removed, with all their values; before any are set.
    pub remove: Vec<&'a str>,
    /// Headers to be set to one value. One of them, as the original of a mapped host is, needs no
    /// memory of its own.
    pub set: SmallVec<[SetHeader<'a>; 1]>,
}

/// A header to be set to one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetHeader<'a> {
    /// Its name, in lower case.
    pub name: &'a str,
    /// The value.
    pub value: Cow<'a, str>,
    /// The request has the header, with one other value. Otherwise it has none once the removals
    /// are done, and adding one does: Envoy then looks for nothing, and builds no index of the
    /// headers to look in.
    pub replaces: bool,
}

/// Whoever carries a decision out, change by change: each comes once it is clear that the request
/// goes on. Values are ASCII. [`Writes`] gathers them.
pub trait Effects<'a> {
    /// Sets `:authority`.
    fn set_authority(&mut self, value: Cow<'a, [u8]>);

    /// Sets `:path`.
    fn set_path(&mut self, value: &'a str);

    /// Removes a header with all its values.
    fn remove(&mut self, name: &'a str);

    /// Sets a header to one value, in place of one other value that the request has, or because it
    /// has none: see [`SetHeader`]. A header that is to be removed, too, was removed before.
    fn set(&mut self, name: &'a str, value: Cow<'a, [u8]>, replaces: bool);
}

impl<'a> Effects<'a> for Writes<'a> {
    fn set_authority(&mut self, value: Cow<'a, [u8]>) {
        self.authority = Some(to_text(value));
    }

    fn set_path(&mut self, value: &'a str) {
        self.path = Some(value);
    }

    fn remove(&mut self, name: &'a str) {
        self.remove.push(name);
    }

    fn set(&mut self, name: &'a str, value: Cow<'a, [u8]>, replaces: bool) {
        self.set.push(SetHeader { name, value: to_text(value), replaces });
    }
}

fn to_text(ascii: Cow<'_, [u8]>) -> Cow<'_, str> {
    match ascii {
        Cow::Borrowed(bytes) => Cow::Borrowed(text(bytes)),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).unwrap_or_default()),
    }
}

impl Writes<'_> {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.authority.is_none()
            && self.path.is_none()
            && self.remove.is_empty()
            && self.set.is_empty()
    }
}

/// A local reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// The rule, for access logs (`%RESPONSE_CODE_DETAILS%`): `gatepost.host.private`.
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
                details: ["gatepost.health_check.", name].concat().into(),
                body: Cow::Borrowed(body),
                grpc_status: None,
            },
        }
    }
}

/// The rule by which a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The Host is no valid authority.
    HostInvalid,
    /// The Host is private.
    HostPrivate,
    /// No mapping knows the Host.
    HostUnmapped,
    /// A template gave no valid authority for this request: it became too long, or the host is an
    /// IP literal.
    HostUnmappable,
    /// The environment named is not allowed.
    EnvironmentUnknown,
}

impl Refusal {
    /// The local reply of this refusal. Its text tells nothing of what the policy knows.
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

/// A counter that a decision may raise. Its name is bounded by the policy, never taken from a
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// `gatepost.health_check.<name>`, by the check's place in the policy.
    HealthCheck(u8),
    /// `gatepost.environment.selected`: the request named an environment.
    EnvironmentSelected,
    /// `gatepost.environment.default`: it named none and got the default.
    EnvironmentDefault,
    /// `gatepost.environment.unknown`: it named an unknown one, and went on.
    EnvironmentUnknown,
    /// `gatepost.environment.rejected`: it named an unknown one, and was refused.
    EnvironmentRejected,
    /// `gatepost.host.mapped`: a mapping rewrote the host.
    HostMapped,
    /// `gatepost.host.private`: the host is private.
    HostPrivate,
    /// `gatepost.host.invalid`: the host is no valid authority, or a template gave none for it.
    HostInvalid,
    /// `gatepost.host.unmapped`: the policy has mappings, and none matched.
    HostUnmapped,
}

impl Counter {
    /// A number of its own, the same in every policy, for tables of counters: the fixed ones first,
    /// then one for each health check.
    #[must_use]
    #[inline]
    pub fn number(self) -> usize {
        match self {
            Self::EnvironmentSelected => 0,
            Self::EnvironmentDefault => 1,
            Self::EnvironmentUnknown => 2,
            Self::EnvironmentRejected => 3,
            Self::HostMapped => 4,
            Self::HostPrivate => 5,
            Self::HostInvalid => 6,
            Self::HostUnmapped => 7,
            Self::HealthCheck(number) => 8usize.saturating_add(usize::from(number)),
        }
    }

    pub(crate) const ENVIRONMENT: &'static [Self] = &[
        Self::EnvironmentSelected,
        Self::EnvironmentDefault,
        Self::EnvironmentUnknown,
        Self::EnvironmentRejected,
    ];
    pub(crate) const HOST: &'static [Self] =
        &[Self::HostMapped, Self::HostPrivate, Self::HostInvalid, Self::HostUnmapped];

    pub(crate) fn fixed_name(self) -> &'static str {
        match self {
            Self::HealthCheck(_) => "gatepost.health_check",
            Self::EnvironmentSelected => "gatepost.environment.selected",
            Self::EnvironmentDefault => "gatepost.environment.default",
            Self::EnvironmentUnknown => "gatepost.environment.unknown",
            Self::EnvironmentRejected => "gatepost.environment.rejected",
            Self::HostMapped => "gatepost.host.mapped",
            Self::HostPrivate => "gatepost.host.private",
            Self::HostInvalid => "gatepost.host.invalid",
            Self::HostUnmapped => "gatepost.host.unmapped",
        }
    }
}

/// The counters that one decision raises, each by one: at most one of each family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub(crate) health_check: Option<Counter>,
    pub(crate) environment: Option<Counter>,
    pub(crate) host: Option<Counter>,
}

impl Counters {
    /// Each counter once.
    #[inline(always)]
    pub fn iter(self) -> impl Iterator<Item = Counter> {
        self.health_check.into_iter().chain(self.environment).chain(self.host)
    }
}
