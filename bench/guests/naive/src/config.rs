//! The policy document, as far as `knative-gclb` and `asm-grpc-env` go, and the tables made of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use ipnet::IpNet;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    #[serde(default)]
    health_checks: Vec<HealthCheckDocument>,
    #[serde(default)]
    strip: Vec<String>,
    environments: Option<EnvironmentsDocument>,
    hosts: HostsDocument,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HealthCheckDocument {
    r#match: Match,
    rewrite: Option<Rewrite>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Match {
    user_agent: UserAgent,
    method: Option<Exact>,
    path: Option<Exact>,
    #[serde(default)]
    sources: Vec<IpNet>,
    #[serde(default)]
    absent_headers: Vec<String>,
}

/// What a user agent is compared with.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserAgent {
    Prefix(String),
    Exact(String),
}

impl UserAgent {
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::Exact(exact) => value == exact,
        }
    }
}

#[derive(Deserialize)]
struct Exact {
    exact: String,
}

#[derive(Deserialize)]
struct Rewrite {
    authority: String,
    path: String,
}

#[derive(Deserialize)]
struct EnvironmentsDocument {
    sources: Vec<Source>,
    allow: HashSet<String>,
    default: Option<String>,
    hints: Hints,
}

#[derive(Deserialize)]
struct Source {
    header: String,
}

#[derive(Deserialize)]
struct Hints {
    headers: BTreeMap<String, String>,
    authority: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HostsDocument {
    #[serde(default)]
    private: Vec<String>,
    #[serde(default)]
    mappings: Vec<Mapping>,
    original_host: Option<String>,
}

#[derive(Deserialize)]
struct Mapping {
    host: String,
    authority: String,
}

#[derive(Default)]
pub struct Config {
    pub health_checks: Vec<HealthCheck>,
    /// What clients may not send in: what the policy strips, and what it sets.
    pub strip: Vec<String>,
    pub environments: Option<Environments>,
    private_hosts: HashSet<String>,
    private_suffixes: Vec<String>,
    pub mappings: HashMap<String, String>,
    pub original_host: Option<String>,
}

pub struct HealthCheck {
    pub user_agent: UserAgent,
    pub method: Option<String>,
    pub path: Option<String>,
    pub sources: Vec<IpNet>,
    pub absent_headers: Vec<String>,
    pub action: Action,
}

pub enum Action {
    Rewrite { authority: String, path: String },
    Pass,
}

pub struct Environments {
    pub header: String,
    pub allow: HashSet<String>,
    pub default: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub authority: String,
}

impl Config {
    pub fn new(document: Document) -> Self {
        let hosts = document.hosts;
        let (wild, exact): (Vec<String>, Vec<String>) =
            hosts.private.into_iter().partition(|pattern| pattern.starts_with('*'));
        let mut strip = document.strip;
        strip.extend(hosts.original_host.clone());
        strip.extend(
            document
                .environments
                .iter()
                .flat_map(|environments| environments.hints.headers.keys().cloned()),
        );
        Self {
            health_checks: document.health_checks.into_iter().map(HealthCheck::new).collect(),
            strip,
            environments: document.environments.and_then(Environments::new),
            private_hosts: exact.into_iter().collect(),
            private_suffixes: wild
                .iter()
                .map(|pattern| pattern.trim_start_matches('*').to_owned())
                .collect(),
            mappings: hosts
                .mappings
                .into_iter()
                .map(|mapping| (mapping.host, mapping.authority))
                .collect(),
            original_host: hosts.original_host,
        }
    }

    pub fn is_private(&self, host: &str) -> bool {
        self.private_hosts.contains(host)
            || self.private_suffixes.iter().any(|suffix| host.ends_with(suffix))
    }
}

impl HealthCheck {
    fn new(document: HealthCheckDocument) -> Self {
        let Match { user_agent, method, path, sources, absent_headers } = document.r#match;
        Self {
            user_agent,
            method: method.map(|method| method.exact),
            path: path.map(|path| path.exact),
            sources,
            absent_headers,
            action: match document.rewrite {
                Some(Rewrite { authority, path }) => Action::Rewrite { authority, path },
                None => Action::Pass,
            },
        }
    }
}

impl Environments {
    fn new(document: EnvironmentsDocument) -> Option<Self> {
        let EnvironmentsDocument { sources, allow, default, hints } = document;
        let header = sources.into_iter().next()?.header;
        Some(Self { header, allow, default, headers: hints.headers, authority: hints.authority })
    }
}
