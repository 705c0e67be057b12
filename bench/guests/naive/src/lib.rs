//! The work of the shipped policies `knative-gclb` and `asm-grpc-env` as an ordinary author writes
//! it after the SDK's examples: `String` getters, one call for each header, hash maps filled when
//! the configuration comes, every export kept.
//!
//! It reads the same policy document as Gatepost, as far as those two policies go. It counts
//! nothing, takes the first of two `env` headers, and traps on a header that is not UTF-8.

mod config;

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use config::{Action, Config, HealthCheck};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action as FilterAction, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { config: Rc::default() }));
}}

struct Root {
    config: Rc<Config>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let document = self.get_plugin_configuration().unwrap_or_default();
        match serde_json::from_slice(&document) {
            Ok(document) => {
                self.config = Rc::new(Config::new(document));
                true
            }
            Err(error) => {
                log::error!("the configuration is wrong: {error}");
                false
            }
        }
    }

    fn create_http_context(&self, _context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { config: self.config.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    config: Rc<Config>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> FilterAction {
        let config = self.config.clone();
        let authority = self.get_http_request_header(":authority").unwrap_or_default();
        for check in &config.health_checks {
            if !self.matches(check) {
                continue;
            }
            if let Action::Rewrite { authority, path } = &check.action {
                self.strip(&config);
                self.set_http_request_header(":authority", Some(authority));
                self.set_http_request_header(":path", Some(path));
            }
            return FilterAction::Continue;
        }
        let Some((host, port)) = normalise(&authority) else {
            return self.refuse(400, "invalid Host\n");
        };
        let environment = match &config.environments {
            None => None,
            Some(environments) => {
                let named = self
                    .get_http_request_header(&environments.header)
                    .unwrap_or_default()
                    .trim()
                    .to_ascii_lowercase();
                if named.is_empty() {
                    environments.default.clone()
                } else if environments.allow.contains(&named) {
                    Some(named)
                } else {
                    return self.refuse(404, "unknown environment\n");
                }
            }
        };
        if config.is_private(&host) {
            return self.refuse(404, "not found\n");
        }
        self.strip(&config);
        if let (Some(environments), Some(environment)) = (&config.environments, &environment) {
            for (name, value) in &environments.headers {
                self.set_http_request_header(name, Some(&value.replace("{env}", environment)));
            }
            let authority = environments.authority.replace("{env}", environment);
            self.set_http_request_header(":authority", Some(&authority));
        } else if let Some(mapped) = config.mappings.get(&host) {
            if let Some(name) = &config.original_host {
                self.set_http_request_header(name, Some(&authority));
            }
            self.set_http_request_header(":authority", Some(mapped));
        } else {
            let normal = format!("{host}{port}");
            if normal != authority {
                self.set_http_request_header(":authority", Some(&normal));
            }
        }
        FilterAction::Continue
    }
}

impl Stream {
    fn matches(&self, check: &HealthCheck) -> bool {
        let header = |name: &str| self.get_http_request_header(name).unwrap_or_default();
        check.user_agent.matches(&header("user-agent"))
            && check.method.as_ref().is_none_or(|method| header(":method") == *method)
            && check
                .path
                .as_ref()
                .is_none_or(|path| header(":path").split('?').next() == Some(path))
            && check.absent_headers.iter().all(|name| self.get_http_request_header(name).is_none())
            && (check.sources.is_empty()
                || self.source().is_some_and(|source| {
                    check.sources.iter().any(|network| network.contains(&source))
                }))
    }

    fn source(&self) -> Option<IpAddr> {
        let address = String::from_utf8(self.get_property(vec!["source", "address"])?).ok()?;
        address.parse::<SocketAddr>().ok().map(|address| address.ip())
    }

    fn strip(&self, config: &Config) {
        for name in &config.strip {
            self.set_http_request_header(name, None);
        }
    }

    fn refuse(&self, status: u32, body: &str) -> FilterAction {
        self.send_http_response(status, Vec::new(), Some(body.as_bytes()));
        FilterAction::Pause
    }
}

/// The host of an authority in lower case without a trailing dot, and `:port` if there is one.
fn normalise(authority: &str) -> Option<(String, String)> {
    if authority.starts_with('[') {
        let literal = authority.parse::<SocketAddr>().map(|address| address.ip().to_string());
        return Some((literal.unwrap_or_else(|_| authority.to_owned()), String::new()));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, "")) => (host, String::new()),
        Some((host, port)) => (host, format!(":{}", port.parse::<u16>().ok()?)),
        None => (authority, String::new()),
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let valid = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    (host.len() <= 253 && host.split('.').all(valid)).then_some((host, port))
}
