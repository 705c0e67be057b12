//! The counters that decisions raise. Their names come from the policy, never from a request, so
//! their number is bounded.

/// A counter that a decision may raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// `gatepost.environment.selected`: the request named an environment.
    EnvironmentSelected,
    /// `gatepost.environment.default`: the request named none and got the default.
    EnvironmentDefault,
    /// `gatepost.environment.unknown`: the request named an unknown one, and went on.
    EnvironmentUnknown,
    /// `gatepost.environment.rejected`: the request named an unknown one, and was refused.
    EnvironmentRejected,
    /// `gatepost.environment.preflight`: a CORS preflight that named none got the one of
    /// `preflight`.
    EnvironmentPreflight,
    /// `gatepost.environment.pinned`: the response sets the cookie of a pin.
    EnvironmentPinned,
    /// `gatepost.host.mapped`: a mapping rewrote the host.
    HostMapped,
    /// `gatepost.host.private`: the host is private.
    HostPrivate,
    /// `gatepost.host.invalid`: the host is no valid authority, or a template gave none for it.
    HostInvalid,
    /// `gatepost.host.unmapped`: the policy has mappings, and none matched.
    HostUnmapped,
    /// `gatepost.response.restored`: a response named the rewritten host, and names the client's.
    ResponseRestored,
    /// `gatepost.health_check.<name>`, by the check's place in the policy.
    HealthCheck(u8),
}

impl Counter {
    /// The name of a health check's counter is this, followed by the name of the check.
    pub const HEALTH_CHECK_PREFIX: &'static str = "gatepost.health_check.";

    /// The counters whose names do not depend on the policy, each with its name.
    pub const FIXED: [(Self, &'static str); 11] = [
        (Self::EnvironmentSelected, "gatepost.environment.selected"),
        (Self::EnvironmentDefault, "gatepost.environment.default"),
        (Self::EnvironmentUnknown, "gatepost.environment.unknown"),
        (Self::EnvironmentRejected, "gatepost.environment.rejected"),
        (Self::EnvironmentPreflight, "gatepost.environment.preflight"),
        (Self::EnvironmentPinned, "gatepost.environment.pinned"),
        (Self::HostMapped, "gatepost.host.mapped"),
        (Self::HostPrivate, "gatepost.host.private"),
        (Self::HostInvalid, "gatepost.host.invalid"),
        (Self::HostUnmapped, "gatepost.host.unmapped"),
        (Self::ResponseRestored, "gatepost.response.restored"),
    ];

    /// The index of this counter in a table of counters, the same in every policy: the fixed
    /// counters come first, then one for each health check.
    #[must_use]
    pub fn number(self) -> usize {
        match self {
            Self::EnvironmentSelected => 0,
            Self::EnvironmentDefault => 1,
            Self::EnvironmentUnknown => 2,
            Self::EnvironmentRejected => 3,
            Self::EnvironmentPreflight => 4,
            Self::EnvironmentPinned => 5,
            Self::HostMapped => 6,
            Self::HostPrivate => 7,
            Self::HostInvalid => 8,
            Self::HostUnmapped => 9,
            Self::ResponseRestored => 10,
            Self::HealthCheck(number) => 11usize.saturating_add(usize::from(number)),
        }
    }

    /// Whether this is one of `gatepost.environment.*`, which only a policy with environments
    /// raises.
    pub(crate) fn is_of_environments(self) -> bool {
        self.number() < 6
    }
}

/// The counters that one decision raises, each by one: at most one of each family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub(crate) health_check: Option<Counter>,
    pub(crate) environment: Option<Counter>,
    pub(crate) pinned: Option<Counter>,
    pub(crate) host: Option<Counter>,
}

impl Counters {
    /// The counters, each of them once.
    pub fn iter(self) -> impl Iterator<Item = Counter> {
        self.health_check.into_iter().chain(self.environment).chain(self.pinned).chain(self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::Counter;

    #[test]
    fn a_fixed_counter_stands_at_its_number() {
        let numbers = Counter::FIXED.map(|(counter, _)| counter.number());
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(Counter::HealthCheck(0).number(), Counter::FIXED.len());
    }
}
