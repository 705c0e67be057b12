//! The file in which a person says which Service answers an authority:
//!
//! ```yaml
//! services:
//! - authority: my-service.default.example.com   # as the policy writes it, without a port
//!   service: my-service.default                 # NAME.NAMESPACE
//!   port: 80
//! - authority: app.*.example.com                # `*` is one label, in both or in the first
//!   service: app.*
//!   port: 50051
//!   protocol: grpc                              # http without it
//! ```

use serde::Deserialize;

use super::backend::{Backend, Protocol, is_match};

/// What a person wrote down.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServicesFile {
    services: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    authority: String,
    service: String,
    port: u16,
    #[serde(default)]
    protocol: Protocol,
}

/// Why a text is no file of services.
#[derive(Debug, thiserror::Error)]
pub enum ServicesFileError {
    /// It is no YAML, or has other fields.
    #[error("{0}")]
    Syntax(String),
    /// A service without its namespace.
    #[error("`{service}`: write NAME.NAMESPACE, as in my-service.default")]
    Service {
        /// The text.
        service: String,
    },
    /// An authority with a port.
    #[error("`{authority}`: write the authority without its port; `port` is the Service's")]
    Port {
        /// The text.
        authority: String,
    },
}

impl ServicesFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, ServicesFileError> {
        let mut file: Self = serde_saphyr::from_str(text)
            .map_err(|error| ServicesFileError::Syntax(error.to_string()))?;
        for entry in &mut file.services {
            entry.authority.make_ascii_lowercase();
            if entry.service.split('.').filter(|part| !part.is_empty()).count() != 2
                || entry.service.split('.').count() != 2
            {
                return Err(ServicesFileError::Service { service: entry.service.clone() });
            }
            if entry.authority.contains(':') {
                return Err(ServicesFileError::Port { authority: entry.authority.clone() });
            }
        }
        Ok(file)
    }

    /// The hosts without a `*`.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        let hosts = self.services.iter().map(|entry| entry.authority.as_str());
        hosts.filter(|host| !host.contains('*'))
    }

    /// What answers a host. The first entry counts.
    pub(super) fn backend(&self, host: &str) -> Option<Backend> {
        self.services.iter().find_map(|entry| {
            if !is_match(&entry.authority, host) {
                return None;
            }
            let label = captured(&entry.authority, host);
            let service = match label {
                Some(label) => entry.service.replace('*', label),
                None => entry.service.clone(),
            };
            let (name, namespace) = service.split_once('.')?;
            Some(Backend {
                name: name.to_owned(),
                namespace: namespace.to_owned(),
                port: entry.port,
                protocol: entry.protocol,
            })
        })
    }
}

/// What the first `*` of a pattern stands for in a host that it matches.
fn captured<'h>(pattern: &str, host: &'h str) -> Option<&'h str> {
    pattern.split('.').zip(host.split('.')).find_map(|(pattern, label)| {
        let (front, back) = pattern.split_once('*')?;
        label.strip_prefix(front)?.strip_suffix(back)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_for_a_host_or_for_a_pattern_of_hosts() {
        let file = ServicesFile::parse(
            "services:\n- {authority: Shop.example, service: shop.default, port: 80}\n\
             - {authority: app.*.example, service: app.*, port: 50051, protocol: grpc}\n",
        )
        .expect("a file");
        let shop = file.backend("shop.example").expect("a backend");
        assert_eq!(
            (shop.host().as_str(), shop.port, shop.protocol),
            ("shop.default.svc.cluster.local", 80, Protocol::Http)
        );
        let app = file.backend("app.env1.example").expect("a backend");
        assert_eq!(
            (app.host().as_str(), app.protocol),
            ("app.env1.svc.cluster.local", Protocol::Grpc)
        );
        assert_eq!(file.backend("other.example"), None);
        assert_eq!(file.hosts().collect::<Vec<_>>(), ["shop.example"]);
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        for (text, expected) in [
            ("services: [{authority: a, service: b, port: 80}]", "write NAME.NAMESPACE"),
            ("services: [{authority: 'a:80', service: b.c, port: 80}]", "without its port"),
            ("services: [{authority: a, service: b.c, prot: 80}]", "prot"),
            ("services: [{authority: a, service: b.c}]", "port"),
        ] {
            let error = ServicesFile::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
