//! The gateways that are asked: URLs, or the pods of a list.

use gatepost_status::ask::PATH;
use gatepost_status::pods::{self, Pod};

use crate::commands::exit::CommandError;
use crate::commands::input::{InputError, standard_input};

/// The longest list of pods, in bytes.
const MAX_LIST: u64 = 64 << 20;

#[derive(clap::Args)]
pub struct TargetArguments {
    /// URLs of gateways, whose path is /stats/prometheus without one; or `-` for the pods that
    /// `kubectl get pods -o json` writes to standard input
    #[arg(required = true, value_name = "URL|-", value_parser = url)]
    urls: Vec<String>,
    /// The port of pods. 15020 is that of Istio's agent, which knows of modules, too
    #[arg(long, value_name = "PORT", default_value_t = 15020)]
    port: u16,
    /// Ask pods through `kubectl proxy`, which listens here: http://127.0.0.1:8001
    #[arg(long, value_name = "URL", value_parser = url)]
    proxy: Option<String>,
}

/// A gateway to ask.
pub struct Target {
    /// What people call it: the URL, or namespace and name of the pod.
    pub name: String,
    /// Nothing while a pod has no address.
    pub url: Option<String>,
    /// Whether the pod takes requests.
    pub is_ready: bool,
}

/// Why there is nothing to ask.
#[derive(Debug, thiserror::Error)]
enum TargetError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("standard input: {0}")]
    Pods(#[from] pods::PodsError),
    #[error("standard input: the list has no pods; no label or namespace may fit")]
    NoPods,
}

impl TargetArguments {
    /// The gateways, each once for each time that it was named.
    pub fn read(&self) -> Result<Vec<Target>, CommandError> {
        let mut targets = Vec::new();
        for url in &self.urls {
            if url == "-" {
                let pods = self.pods().map_err(CommandError::other)?;
                targets.extend(pods.iter().map(|pod| self.pod(pod)));
            } else {
                let url = with_path(url);
                let name = without_user(&url);
                targets.push(Target { name, url: Some(url), is_ready: true });
            }
        }
        Ok(targets)
    }

    fn pods(&self) -> Result<Vec<Pod>, TargetError> {
        let pods = pods::read(&standard_input(MAX_LIST)?)?;
        if pods.is_empty() { Err(TargetError::NoPods) } else { Ok(pods) }
    }

    fn pod(&self, pod: &Pod) -> Target {
        let Pod { namespace, name, is_ready, .. } = pod;
        let url = pod.url(self.port, self.proxy.as_deref());
        Target { name: format!("{namespace}/{name}"), url, is_ready: *is_ready }
    }
}

fn with_path(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    match host.split_once('/') {
        Some((_, path)) if !path.is_empty() => url.to_owned(),
        _ => [url.trim_end_matches('/'), PATH].concat(),
    }
}

/// A URL as it is shown: reports are kept, and a password is not for their readers.
pub fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn url(text: &str) -> Result<String, String> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    let has_host = text.strip_prefix("http://").is_some_and(|rest| !rest.is_empty());
    match text {
        "-" => Ok(text.to_owned()),
        _ if is_visible && has_host => Ok(text.to_owned()),
        _ => Err("write a URL, as in http://10.0.0.1:15020; statistics have no TLS".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_and_password_of_a_url_are_not_shown() {
        for (url, shown) in [
            ("http://me:secret@a:1/m@n", "http://a:1/m@n"),
            ("http://me:p@ss@a", "http://a"),
            ("http://a:1/stats", "http://a:1/stats"),
        ] {
            assert_eq!(without_user(url), shown);
        }
    }

    #[test]
    fn a_url_without_a_path_gets_the_one_of_statistics() {
        for (url, whole) in [
            ("http://a:1", "http://a:1/stats/prometheus"),
            ("http://a:1/", "http://a:1/stats/prometheus"),
            ("http://a:1/metrics", "http://a:1/metrics"),
        ] {
            assert_eq!(with_path(url), whole);
        }
        for no_url in ["", "a:1", "https://a", "http://", "http://a b", "http://a\u{1b}[2J"] {
            assert!(url(no_url).is_err(), "{no_url}");
        }
    }
}
