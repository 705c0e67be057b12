//! The certificate and the key of the webhook, from files in PEM that may change while it runs.
//! What cannot be used never replaces what is in use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use gatepost_authoring::read_file;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The largest file that is read. A chain has some 10 KB.
const MAX_FILE: u64 = 1 << 20;

/// The protocols, in the order of preference. API servers speak HTTP/2.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why files are no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A file is no PEM, or has nothing of what it should have.
    #[error("{}: no {what} in PEM: {why}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should have.
        what: &'static str,
        /// What is wrong with it, without anything of its content.
        why: &'static str,
    },
    /// The two do not go together, or TLS cannot use them.
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The certificate in use. Clones share it.
#[derive(Clone)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    config: Arc<ArcSwap<ServerConfig>>,
}

impl Certificate {
    /// Reads the chain, the server's own certificate first, and its key.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn read(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let (chain, key) = (chain.to_owned(), key.to_owned());
        let config = Arc::new(ArcSwap::new(load(&chain, &key)?));
        Ok(Self { chain, key, config })
    }

    /// Reads both files again. Connections that begin afterwards get what they have.
    ///
    /// # Errors
    /// When they cannot be used: the certificate stays as it is.
    pub fn read_again(&self) -> Result<(), CertificateError> {
        self.config.store(load(&self.chain, &self.key)?);
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.chain).finish_non_exhaustive()
    }
}

fn load(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    let read = |path: &Path| {
        let unreadable = |error| CertificateError::Unreadable { path: path.to_owned(), error };
        read_file(path, MAX_FILE).map_err(unreadable)
    };
    let no = |path: &Path, what, error| {
        let why = wrong_with(&error);
        CertificateError::Pem { path: path.to_owned(), what, why }
    };
    let certificates = CertificateDer::pem_slice_iter(&read(chain)?)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        .map_err(|error| no(chain, "certificate", error))?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| no(key, "private key", error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, private)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(Arc::new(config))
}

/// What the parser says, in other words: its own quote lines of the file, and may log a key.
fn wrong_with(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::NoItemsFound => "there is none",
        pem::Error::MissingSectionEnd { .. } => {
            "a section has no end: the file is cut off, or lost the ends of its lines"
        }
        pem::Error::IllegalSectionStart { .. } => "a section does not begin as it should",
        pem::Error::Base64Decode(_) => "a section is not in Base64",
        _ => "it cannot be read",
    }
}
