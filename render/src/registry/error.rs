//! What goes wrong between this command and a registry, and what to do about it.

use std::time::Duration;

use super::credentials::CredentialsError;
use crate::image::{Digest, read::NoModule};

/// Why an image was not pushed or not read.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The Docker configuration.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The certificates of this system.
    #[error(
        "this system has no certificates of authorities ({problems}): install its package \
         ca-certificates, or name a file of them in SSL_CERT_FILE"
    )]
    NoAuthorities {
        /// What the system said.
        problems: String,
    },
    /// No connection.
    #[error("{server}: cannot connect: {problem}")]
    Connect {
        /// The host and port.
        server: String,
        /// What the system said.
        problem: String,
    },
    /// A certificate that is not trusted.
    #[error(
        "{server}: its certificate is not trusted: {problem}. Name your authority's certificate in \
         SSL_CERT_FILE, or accept any with --insecure. Istio's agent needs the host in \
         WASM_INSECURE_REGISTRIES then"
    )]
    Certificate {
        /// The host and port.
        server: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No TLS.
    #[error("{server}: does not speak TLS ({problem}). --insecure accepts plain HTTP")]
    NoTls {
        /// The host and port.
        server: String,
        /// What came instead.
        problem: String,
    },
    /// The server says nothing.
    #[error("cannot {task}: no answer from {server} within {limit:?}; --timeout gives it longer")]
    TimedOut {
        /// What was asked for.
        task: String,
        /// The host and port.
        server: String,
        /// How long it had.
        limit: Duration,
    },
    /// The connection ended too early.
    #[error("cannot {task}: {server} broke the connection off: {problem}. Run it again")]
    CutOff {
        /// What was asked for.
        task: String,
        /// The host and port.
        server: String,
        /// What happened.
        problem: String,
    },
    /// 401 or 403.
    #[error("cannot {task}: {server} answered {status}{said}; tried: {tried}")]
    Refused {
        /// What was asked for.
        task: String,
        /// The host and port.
        server: String,
        /// Its status.
        status: u16,
        /// What it said, or nothing.
        said: String,
        /// The credentials, without their secret.
        tried: String,
    },
    /// 404.
    #[error("cannot {task}: {server} has no such thing (404{said}). {advice}")]
    NotFound {
        /// What was asked for.
        task: String,
        /// The host and port.
        server: String,
        /// What it said, or nothing.
        said: String,
        /// What to do.
        advice: &'static str,
    },
    /// 429, after waiting as long as makes sense.
    #[error("cannot {task}: {server} has too many requests (429{said}){wanted}. Try again later")]
    TooManyRequests {
        /// What was asked for.
        task: String,
        /// The host and port.
        server: String,
        /// What it said, or nothing.
        said: String,
        /// How long it wants to be left alone, or nothing.
        wanted: String,
    },
    /// Any other status.
    #[error("cannot {task}: {server} answered {status}{said}")]
    Status {
        /// What was asked for.
        task: String,
        /// The host and port.
        server: String,
        /// Its status.
        status: u16,
        /// What it said, or nothing.
        said: String,
    },
    /// A body that is longer than it may be.
    #[error("cannot {task}: {server} sent more than {limit} bytes")]
    TooLong {
        /// What was asked for.
        task: String,
        /// The host and port.
        server: String,
        /// The limit.
        limit: u64,
    },
    /// Other bytes than those that were named.
    #[error(
        "cannot {task}: {server} sent other bytes than it promised: {found}, and not {promised}. \
         Something between it and you changes content, or it is broken"
    )]
    WrongBytes {
        /// What was asked for.
        task: String,
        /// The host and port.
        server: String,
        /// The digest that they must have.
        promised: Digest,
        /// The digest that they have.
        found: Digest,
    },
    /// An answer that is not what the specification says.
    #[error("cannot {task}: {server} sent {what}")]
    Malformed {
        /// What was asked for.
        task: String,
        /// The host and port.
        server: String,
        /// What was wrong with it.
        what: String,
    },
    /// An image that Istio's agent cannot read.
    #[error("{image}: {problem}")]
    NoModule {
        /// Its name.
        image: String,
        /// Why.
        problem: NoModule,
    },
}
