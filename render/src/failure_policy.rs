//! What happens to requests when the filter fails.

/// What Envoy does with requests after a trap ended the module's VM on a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// 503 until Envoy restarts. No request passes unchecked.
    #[default]
    Closed,
    /// 503 until the VM is rebuilt, at most once a second.
    Reload,
    /// Requests pass without the filter. Headers that a policy strips then arrive as the client
    /// wrote them.
    Open,
}

impl FailurePolicy {
    /// Envoy's `failure_policy`. Envoy before 1.33 has only the boolean `fail_open`.
    pub(crate) fn of_envoy(self) -> &'static str {
        match self {
            Self::Closed => "FAIL_CLOSED",
            Self::Reload => "FAIL_RELOAD",
            Self::Open => "FAIL_OPEN",
        }
    }

    /// Istio's `failStrategy`.
    pub(crate) fn of_istio(self) -> &'static str {
        match self {
            Self::Closed => "FAIL_CLOSE",
            Self::Reload => "FAIL_RELOAD",
            Self::Open => "FAIL_OPEN",
        }
    }
}
