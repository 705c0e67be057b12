//! How a command ends: its exit code, or the error that kept it from doing its work.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// How a command ended that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// No findings, and all tests passed.
    Success,
    /// Findings, or tests that failed.
    Findings,
    /// The exit code of the program that the command ran.
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Findings => Self::from(1),
            Exit::Code(code) => Self::from(code),
        }
    }
}

/// What kept a command from doing its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A file that cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// An address that is in use or that the system does not have.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        error: std::io::Error,
    },
    /// A folder that holds no file for the command.
    #[error("{}: no {what} here", path.display())]
    Nothing {
        /// The folder.
        path: PathBuf,
        /// The names of the files that the command looked for.
        what: &'static str,
    },
    /// Tests without the policy that they test.
    #[error("{}: no policy.yaml, policy.yml or policy.json beside these tests", .0.display())]
    NoPolicy(PathBuf),
    /// Standard output cannot be written to.
    #[error("standard output: {0}")]
    Output(std::io::Error),
    /// Findings that are already printed on standard error.
    #[error("{0}")]
    Findings(String),
    /// Any other error, with its own message.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl CommandError {
    pub(super) fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }

    /// The exit code: 1 for findings, 2 for everything else.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        ExitCode::from(if matches!(self, Self::Findings(_)) { 1 } else { 2 })
    }
}
