//! What happens when the filter fails, as an argument.

use gatepost_render::FailurePolicy;

/// What happens to requests when the filter's VM has failed.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum OnFailure {
    /// 503 until Envoy restarts
    Closed,
    /// 503 until the VM is built anew, a second later
    Reload,
    /// They pass without the filter
    Open,
}

impl From<OnFailure> for FailurePolicy {
    fn from(on_failure: OnFailure) -> Self {
        match on_failure {
            OnFailure::Closed => Self::Closed,
            OnFailure::Reload => Self::Reload,
            OnFailure::Open => Self::Open,
        }
    }
}
