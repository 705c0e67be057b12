//! A certificate for tests of TLS, which nothing but a test trusts.

use std::process::Command;

/// A certificate that has signed itself, and its key, both as PEM.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate, which is also what a client must trust.
    pub chain: String,
    /// Its key.
    pub key: String,
}

impl Certificate {
    /// A certificate for one host, valid for two days.
    ///
    /// # Panics
    /// When openssl does not make it.
    #[must_use]
    pub fn of(host: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-keyout", "key", "-out", "chain"])
            .args(["-subj", &format!("/CN={host}"), "-addext"])
            .arg(format!("subjectAltName=DNS:{host}"))
            .current_dir(folder.path())
            .output()
            .expect("openssl runs: apt-get install openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a file");
        Self { chain: text("chain"), key: text("key") }
    }
}
