//! Why there are no counts.

use thiserror::Error;

/// Why there are no counts.
#[derive(Debug, Error)]
pub enum CountedError {
    /// A program of valgrind's is missing.
    #[error(
        "{0} is not installed; it counts what Envoy executes. \
         On Debian and Ubuntu: apt-get install valgrind"
    )]
    NoValgrind(&'static str),
    /// Valgrind refused a command.
    #[error("valgrind does not carry out `{command}`: {said}")]
    Monitor {
        /// The command.
        command: String,
        /// What it printed.
        said: String,
    },
    /// Valgrind does not know Envoy's worker.
    #[error("valgrind has no thread with the id {id} of Envoy's worker; it has:\n{said}")]
    NoWorker {
        /// The system's id of the worker's thread.
        id: String,
        /// What valgrind printed about its threads.
        said: String,
    },
    /// A file that callgrind wrote has another format than expected.
    #[error("{file}: {fault}")]
    Profile {
        /// The file.
        file: String,
        /// What is wrong with it.
        fault: String,
    },
}
