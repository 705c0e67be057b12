//! Images in registries: [`Registry::push`] writes one, and [`Registry::pull`] reads one as Istio's
//! agent does, by the distribution specification of the OCI. Everything that a registry sends is
//! bounded: in time, in length, and by the digest that names it.

mod challenge;
mod credentials;
mod error;
mod http;
mod pull;
mod push;
mod reference;
mod session;

use std::time::Duration;

pub use credentials::{Credentials, CredentialsError};
pub use error::RegistryError;
pub use pull::Pulled;
pub use push::{Moved, Pushed};
pub use reference::{Reference, ReferenceError};

/// How a registry is spoken with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether certificates that nobody trusts, and plain HTTP, are accepted. On loopback plain
    /// HTTP always is.
    pub insecure: bool,
    /// How long one answer may take, from the connection to the end of the body.
    pub timeout: Duration,
    /// What says to the user that something takes longer.
    pub notice: fn(&str),
}

/// A registry, for one repository of it.
#[derive(Debug)]
pub struct Registry {
    session: session::Session,
}

/// What is done with a repository, which its registry is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Pull,
    /// Writing, and reading what is there.
    Push,
}

impl Registry {
    /// Connects to the registry of a reference, and signs in where it asks for that.
    ///
    /// # Errors
    /// When it does not answer, or refuses the credentials.
    pub fn connect(
        reference: &Reference,
        access: Access,
        credentials: Credentials,
        options: &Options,
    ) -> Result<Self, RegistryError> {
        let session = session::Session::open(reference, access, credentials, options)?;
        Ok(Self { session })
    }

    /// Whether credentials were used.
    #[must_use]
    pub fn used_credentials(&self) -> bool {
        self.session.used_credentials()
    }

    /// Why Istio's agent will not sign in at this registry, whatever its credentials are.
    #[must_use]
    pub fn agent_refuses(&self) -> Option<&str> {
        self.session.agent_refuses()
    }
}
