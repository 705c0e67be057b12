//! Why a benchmark in Envoy gives no figure.

use gatepost_testbed::envoy::fetch::FetchError;
use gatepost_testbed::envoy::process::ProcessError;
use thiserror::Error;

use super::answer::Answer;

/// Why there is no figure.
#[derive(Debug, Error)]
pub enum EnvoyError {
    /// There is no Envoy to run.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Envoy does not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// An operation of the system.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// An arm does not do its work, so its figure would mean nothing.
    #[error("{arm} must answer {expected:?} and answered {got:?} to\n{request}")]
    WrongAnswer {
        /// The arm.
        arm: String,
        /// The request.
        request: String,
        /// What it must answer.
        expected: Box<Answer>,
        /// What it answered.
        got: Box<Answer>,
    },
    /// The response is not HTTP/1.1 with a length.
    #[error("Envoy answered something that cannot be read: {0}")]
    Response(String),
    /// `wrk` is not installed.
    #[error(
        "wrk is not installed; it sends the requests. On Debian and Ubuntu: apt-get install wrk"
    )]
    NoWrk,
    /// `wrk` printed something unexpected.
    #[error("wrk was expected to print how many requests it sent, and printed:\n{0}")]
    Wrk(String),
    /// Not all requests of a round were answered as they must be.
    #[error(
        "{arm}, {workload}: of {sent} answers {unsuccessful} were neither 2xx nor 3xx, \
         and {errors} requests failed"
    )]
    Round {
        /// The arm.
        arm: String,
        /// The workload.
        workload: &'static str,
        /// Requests sent.
        sent: u64,
        /// Answers outside of 2xx and 3xx.
        unsuccessful: u64,
        /// Connections and requests that failed.
        errors: u64,
    },
    /// `/proc` does not show what is needed.
    #[error("{0}: Envoy's worker and its processor time are found in /proc, which Linux alone has")]
    Proc(String),
}

impl EnvoyError {
    /// For `map_err`: an operation of the system failed.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::System { what, error }
    }
}
