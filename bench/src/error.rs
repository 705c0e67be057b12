//! Why a benchmark gives no figure.

use gatepost_host::{CallError, Headers, ModuleError, Outcome, StartError};
use thiserror::Error;

use crate::counted::error::CountedError;
use crate::envoy::error::EnvoyError;

/// Why there is no figure.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The policy is missing or wrong.
    #[error("the policy cannot be used: {0}")]
    Policy(#[from] gatepost_authoring::FileError),
    /// The module does not compile.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The module's VM does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A callback failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The module did something else than what is to be measured.
    #[error("the workload {workload} must {must}, and the stream ended so: {outcome:?}\n{headers}")]
    Workload {
        /// Its name.
        workload: &'static str,
        /// What it is to do.
        must: String,
        /// How the callback ended.
        outcome: Outcome,
        /// The headers it left.
        headers: Box<Headers>,
    },
    /// A whole exchange through the stream driver did something else than what is to be measured.
    #[error("the workload {workload} must {must}, and this went upstream: {sent:?}")]
    Driven {
        /// Its name.
        workload: &'static str,
        /// What it is to do.
        must: String,
        /// The request that left the chain.
        sent: Option<Headers>,
    },
    /// The benchmark in Envoy failed.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// Counting under valgrind failed.
    #[error(transparent)]
    Counted(#[from] CountedError),
    /// There is no build of the command to measure.
    #[error("there is no gatepost beside this program: build it with cargo build --release")]
    NoCommand,
    /// A process of the benchmark cannot be run.
    #[error("{what}: {error}")]
    Process {
        /// Which.
        what: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A process of the benchmark printed something unexpected.
    #[error("{what} said something unexpected: {said}")]
    Answer {
        /// Which.
        what: String,
        /// What it printed.
        said: String,
    },
}
