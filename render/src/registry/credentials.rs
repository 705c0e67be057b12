//! Credentials out of the Docker configuration, as `docker login` leaves them: in the file itself,
//! or with a helper program that it names.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

/// How long a helper may take. It may ask its user for a password.
const HELPER: Duration = Duration::from_secs(120);

/// The name by which the configuration has Docker Hub.
const DOCKER_HUB: (&str, &str) = ("index.docker.io", "https://index.docker.io/v1/");

/// What a helper says about a registry that it does not know.
const NOT_FOUND: &str = "credentials not found";

/// What a registry may be told about its user. Never shown.
#[derive(Clone)]
pub(super) enum Secret {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that a token service exchanges.
    Token(String),
}

/// The credentials for one registry, or none, and where they were looked for.
#[derive(Clone)]
pub struct Credentials {
    secret: Option<Secret>,
    place: String,
}

/// Why the Docker configuration gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file.
    #[error("cannot read {}: {problem}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A helper program that does not do its work.
    #[error("the credential helper for {host} that {} names failed: {problem}", file.display())]
    Helper {
        /// The registry.
        host: String,
        /// The configuration.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An entry that cannot be used.
    #[error(
        "{}: the entry of {host} cannot be used: {problem}. `docker login {host}` writes a new one",
        file.display()
    )]
    Entry {
        /// The registry.
        host: String,
        /// The configuration.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl Credentials {
    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self { secret: None, place: "no credentials".to_owned() }
    }

    /// Those of the Docker configuration for a registry: `config.json` in the folder that
    /// `DOCKER_CONFIG` names, else in `~/.docker`.
    ///
    /// # Errors
    /// When the file cannot be read, or its helper program fails.
    pub fn of_docker(host: &str) -> Result<Self, CredentialsError> {
        let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
        match folder.or_else(home) {
            Some(folder) => Self::of_file(&folder.join("config.json"), host),
            None => Ok(Self {
                secret: None,
                place: "no credentials, as neither DOCKER_CONFIG nor HOME is set".to_owned(),
            }),
        }
    }

    /// Those of a Docker configuration for a registry.
    ///
    /// # Errors
    /// As [`of_docker`](Self::of_docker).
    pub fn of_file(file: &Path, host: &str) -> Result<Self, CredentialsError> {
        let file = file.to_owned();
        let none = |why: &str| {
            let place =
                format!("no credentials, as {} {why}; `docker login {host}`", file.display());
            Self { secret: None, place }
        };
        let opened = match File::open(&file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(none("does not exist"));
            }
            Err(error) => {
                return Err(CredentialsError::Unreadable { file, problem: error.to_string() });
            }
        };
        let key = if host == DOCKER_HUB.0 { DOCKER_HUB.1 } else { host }.to_owned();
        // The helper is not the library's to end. A command that gives up ends soon anyway.
        let (found, wait) = mpsc::channel();
        std::thread::spawn(move || found.send(get_credential_from_reader(opened, &key)));
        let host = host.to_owned();
        let Ok(found) = wait.recv_timeout(HELPER) else {
            let problem = format!("it did not end within {HELPER:?}");
            return Err(CredentialsError::Helper { host, file, problem });
        };
        let shown = file.display();
        match found {
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                let place = format!("the user {user:?} of {shown}");
                Ok(Self { secret: Some(Secret::Password { user, password }), place })
            }
            Ok(DockerCredential::IdentityToken(token)) => {
                let place = format!("the identity token of {shown}");
                Ok(Self { secret: Some(Secret::Token(token)), place })
            }
            Err(error) => match refused(&error) {
                Why::Nothing => Ok(none(&format!("has none for {host}"))),
                Why::File(problem) => Err(CredentialsError::Unreadable { file, problem }),
                Why::Helper(problem) => Err(CredentialsError::Helper { host, file, problem }),
                Why::Entry(problem) => Err(CredentialsError::Entry { host, file, problem }),
            },
        }
    }

    pub(super) fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }
}

/// Whose credentials, and from where.
impl fmt::Display for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.place)
    }
}

/// As [`Display`](fmt::Display): a secret must not get into a log.
impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.place)
    }
}

/// What the library's error is about.
enum Why {
    Nothing,
    File(String),
    Helper(String),
    Entry(String),
}

fn refused(error: &CredentialRetrievalError) -> Why {
    use CredentialRetrievalError as E;
    match error {
        E::NoCredentialConfigured | E::ConfigNotFound => Why::Nothing,
        E::ConfigReadError => Why::File("it is no Docker configuration in JSON".to_owned()),
        E::HelperFailure { stdout, stderr, .. }
            if stdout.contains(NOT_FOUND) || stderr.contains(NOT_FOUND) =>
        {
            Why::Nothing
        }
        // Its standard output may hold the secret.
        E::HelperFailure { helper, stderr, .. } => {
            Why::Helper(format!("{helper}: {}", stderr.trim()))
        }
        E::HelperCommunicationError => {
            Why::Helper("it does not run: docker-credential-NAME must be in PATH".to_owned())
        }
        E::MalformedHelperResponse => {
            Why::Helper("its answer has no Username and Secret".to_owned())
        }
        E::CredentialDecodingError => Why::Entry("`auth` is no base64 of USER:PASSWORD".to_owned()),
        E::CredentialMismatchError => {
            Why::Entry("`auth` is not the base64 of its username and password".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, host: &str) -> Result<Credentials, CredentialsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, text).unwrap();
        Credentials::of_file(&file, host)
    }

    #[test]
    fn an_entry_gives_user_and_password_and_shows_the_user_alone() {
        // alice:topsecret
        let text = r#"{"auths": {"r.example:5000": {"auth": "YWxpY2U6dG9wc2VjcmV0"}}}"#;
        let found = of(text, "r.example:5000").unwrap();
        let Some(Secret::Password { user, password }) = found.secret() else { panic!("{found}") };
        assert_eq!((user.as_str(), password.as_str()), ("alice", "topsecret"));
        for shown in [format!("{found}"), format!("{found:?}")] {
            assert!(shown.contains("alice") && shown.contains("config.json"), "{shown}");
            assert!(!shown.contains("topsecret"), "{shown}");
        }
    }

    #[test]
    fn docker_hub_is_found_by_its_old_address() {
        let text =
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YWxpY2U6dG9wc2VjcmV0"}}}"#;
        assert!(of(text, "index.docker.io").unwrap().secret().is_some());
    }

    #[test]
    fn a_registry_without_an_entry_has_no_credentials() {
        let found = of(r#"{"auths": {"other.example": {"auth": "YTpi"}}}"#, "r.example").unwrap();
        assert!(found.secret().is_none());
        assert!(found.to_string().contains("docker login r.example"), "{found}");
        let missing = Credentials::of_file(Path::new("/nowhere/config.json"), "r.example").unwrap();
        assert!(missing.to_string().contains("does not exist"), "{missing}");
    }

    #[test]
    fn a_broken_file_and_a_broken_entry_are_errors() {
        assert!(matches!(of("{", "r.example"), Err(CredentialsError::Unreadable { .. })));
        let entry = of(r#"{"auths": {"r.example": {"auth": "%%"}}}"#, "r.example");
        assert!(matches!(entry, Err(CredentialsError::Entry { .. })), "{entry:?}");
    }

    #[test]
    fn a_helper_that_is_missing_is_an_error() {
        let text = r#"{"credHelpers": {"r.example": "of-nobody"}}"#;
        assert!(matches!(of(text, "r.example"), Err(CredentialsError::Helper { .. })));
    }
}
