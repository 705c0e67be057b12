//! The document of a policy, read from its JSON and not from the engine's tables.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::addresses;
use crate::pattern::matches;

/// Whether a CGI program takes the header of this name for one with the other name.
#[must_use]
pub fn is_spelling_of(name: &str, other: &[u8]) -> bool {
    let variable = |name: &[u8]| -> Vec<u8> {
        let letter = |byte: &u8| match byte {
            b':' => b':',
            byte if byte.is_ascii_punctuation() => b'_',
            byte => byte.to_ascii_uppercase(),
        };
        name.iter().map(letter).collect()
    };
    variable(name.as_bytes()) == variable(other)
}

/// The document of a policy. It must have no errors.
#[derive(Debug, Clone)]
pub struct Document(pub Value);

impl Document {
    /// The patterns of `hosts.private`.
    pub fn private(&self) -> impl Iterator<Item = &str> {
        self.list("/hosts/private").filter_map(Value::as_str)
    }

    /// Whether a host in canonical form is private.
    #[must_use]
    pub fn is_private(&self, host: &str) -> bool {
        let addresses = addresses::of(host);
        self.private().any(|entry| match addresses::block(entry) {
            Some(block) => addresses.iter().any(|address| block.contains(address)),
            None => matches(entry, host),
        })
    }

    /// The headers that a client may not send, in lower case, without those that a rule of the
    /// policy reads.
    #[must_use]
    pub fn guarded(&self) -> BTreeSet<String> {
        let hints = self.0.pointer("/environments/hints/headers").and_then(Value::as_object);
        let hints = hints.into_iter().flat_map(serde_json::Map::keys).map(String::as_str);
        let original = self.0.pointer("/hosts/originalHost").and_then(Value::as_str);
        let strip = self.list("/strip").filter_map(Value::as_str);
        let read = self.read();
        hints
            .chain(original)
            .chain(strip)
            .map(str::to_ascii_lowercase)
            .filter(|name| !read.iter().any(|read| is_spelling_of(read, name.as_bytes())))
            .collect()
    }

    /// The headers that a decision may depend on, in lower case.
    fn read(&self) -> BTreeSet<String> {
        let absent = self
            .list("/healthChecks")
            .filter_map(|check| check.pointer("/match/absentHeaders")?.as_array())
            .flatten();
        let sources = self.list("/environments/sources").filter_map(|source| source.get("header"));
        let own = ["user-agent", "cookie", "baggage", "content-type"];
        absent
            .chain(sources)
            .filter_map(Value::as_str)
            .chain(own)
            .map(str::to_ascii_lowercase)
            .collect()
    }

    /// Whether the policy may give a request another host or another path than the client's own.
    #[must_use]
    pub fn rewrites(&self) -> bool {
        self.list("/healthChecks").next().is_some()
            || self.list("/hosts/mappings").next().is_some()
            || self.0.pointer("/environments/hints/authority").is_some()
            || self.list("/environments/sources").any(|source| source.get("subdomain").is_some())
    }

    /// Whether the health check of this name passes a request as it came.
    #[must_use]
    pub fn passes(&self, name: &str) -> bool {
        self.list("/healthChecks").any(|check| check["name"] == name && check.get("pass").is_some())
    }

    fn list(&self, pointer: &str) -> impl Iterator<Item = &Value> {
        self.0.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
    }
}
