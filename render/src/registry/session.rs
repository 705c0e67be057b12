//! A registry that answers and has let this command in: which scheme it speaks, and what every
//! request carries.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::{HeaderValue, Method, Request, StatusCode, header};
use url::{Host, Url};

use super::challenge::{Challenge, agent_refuses};
use super::credentials::{Credentials, Secret};
use super::error::RegistryError;
use super::http::{Answer, Http, Purpose};
use super::reference::Reference;
use super::{Access, Options};

/// The longest answer of a token service.
const TOKEN: u64 = 1024 * 1024;

/// A connection to one repository.
#[derive(Debug)]
pub(super) struct Session {
    http: Http,
    /// Ends in the repository and `/`.
    base: Url,
    server: String,
    repository: String,
    credentials: Credentials,
    authorization: Option<HeaderValue>,
    agent_refuses: Option<String>,
}

impl Session {
    /// Asks the registry whether it is one, over TLS, or without TLS where that is allowed; and
    /// signs in as it wants it.
    pub fn open(
        reference: &Reference,
        access: Access,
        credentials: Credentials,
        options: &Options,
    ) -> Result<Self, RegistryError> {
        let server = reference.host().to_owned();
        let is_near = is_loopback(&server);
        let http = Http::new(options, is_near)?;
        let purpose = Purpose { task: "connect", server: &server };
        let ping = |scheme: &str| {
            let url = format!("{scheme}://{server}/v2/");
            http.send(purpose, &get(&url)?).map(|answer| (answer, scheme.to_owned()))
        };
        let (answer, scheme) = match ping("https") {
            Err(error) if is_near || options.insecure => match error {
                // Where TLS works, plain HTTP would not help.
                RegistryError::Connect { .. }
                | RegistryError::NoTls { .. }
                | RegistryError::CutOff { .. } => ping("http")?,
                error => return Err(error),
            },
            answer => answer?,
        };
        let base = format!("{scheme}://{server}/v2/{}/", reference.repository());
        let base = Url::parse(&base).map_err(|error| malformed(purpose, error.to_string()))?;
        let mut session = Self {
            http,
            base,
            server,
            repository: reference.repository().to_owned(),
            credentials,
            authorization: None,
            agent_refuses: None,
        };
        session.sign_in(answer, access)?;
        Ok(session)
    }

    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn server(&self) -> &str {
        &self.server
    }

    pub fn used_credentials(&self) -> bool {
        // Without a secret everybody gets a token.
        self.authorization.is_some() && self.credentials.secret().is_some()
    }

    pub fn agent_refuses(&self) -> Option<&str> {
        self.agent_refuses.as_deref()
    }

    /// Does what the answer to the first request asks for.
    fn sign_in(&mut self, answer: Answer, access: Access) -> Result<(), RegistryError> {
        match answer.status {
            status if status.is_success() => return Ok(()),
            StatusCode::UNAUTHORIZED => {}
            StatusCode::NOT_FOUND => {
                return Err(self.error("connect", answer, "Is this the host of a registry?"));
            }
            _ => return Err(self.error("connect", answer, "")),
        }
        let challenges = answer.all("www-authenticate");
        self.agent_refuses = agent_refuses(challenges.iter().copied());
        match Challenge::of(challenges) {
            Some(Challenge::Basic) => match self.credentials.secret() {
                Some(Secret::Password { user, password }) => {
                    self.authorization = Some(basic(user, password));
                    Ok(())
                }
                _ => Err(self.error("sign in", answer, "")),
            },
            Some(Challenge::Bearer { realm, service }) => {
                let token = self.token(&realm, service.as_deref(), access)?;
                self.authorization = Some(token);
                Ok(())
            }
            None => Err(self.malformed("sign in", "401 without a way to sign in")),
        }
    }

    /// Gets a token from the service that the registry names.
    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        access: Access,
    ) -> Result<HeaderValue, RegistryError> {
        let task = "get a token";
        let refused = |what: String| self.malformed(task, &what);
        let mut url = Url::parse(realm).map_err(|_| refused(format!("the realm {realm:?}")))?;
        // A registry over TLS must not make us send credentials without.
        if url.scheme() != "https" && !(url.scheme() == "http" && self.base.scheme() == "http") {
            return Err(refused(format!("the realm {realm:?}, which is no https:// URL")));
        }
        let actions = if access == Access::Push { "pull,push" } else { "pull" };
        let scope = format!("repository:{}:{actions}", self.repository);
        let mut fields = vec![("scope", scope.as_str())];
        fields.extend(service.map(|service| ("service", service)));
        let request = if let Some(Secret::Token(token)) = self.credentials.secret() {
            fields.extend([
                ("grant_type", "refresh_token"),
                ("client_id", "gatepost"),
                ("refresh_token", token.as_str()),
            ]);
            let form =
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
            Request::post(url.as_str())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.into_bytes())
        } else {
            url.query_pairs_mut().extend_pairs(&fields);
            let request = Request::get(url.as_str());
            match self.credentials.secret() {
                Some(Secret::Password { user, password }) => {
                    request.header(header::AUTHORIZATION, basic(user, password))
                }
                _ => request,
            }
            .body(Vec::new())
        };
        let request = request.map_err(|error| refused(error.to_string()))?;
        let server = url.host_str().unwrap_or_default().to_owned();
        let purpose = Purpose { task, server: &server };
        let answer = self.http.send(purpose, &request)?;
        if !answer.status.is_success() {
            return Err(self.error_of(purpose, answer, "Is this the service of a registry?"));
        }
        let body = self.http.body(purpose, answer, TOKEN)?;
        let read = serde_json::from_slice::<Token>(&body).ok();
        let token = read.and_then(|read| read.token.or(read.access_token));
        // What came instead may hold a secret.
        let token = token.ok_or_else(|| malformed(purpose, "no JSON with a token".to_owned()))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| malformed(purpose, "a token that no header can hold".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The URL of something in the repository, or of what the registry named in a `Location`.
    pub fn url(&self, task: &str, path: &str) -> Result<Url, RegistryError> {
        let url = self.base.join(path);
        url.map_err(|error| self.malformed(task, &format!("the URL {path:?}: {error}")))
    }

    /// Sends a request. What belongs to another server does not get the credentials.
    pub fn send(
        &self,
        task: &str,
        method: Method,
        url: &Url,
        headers: &[(header::HeaderName, &str)],
        body: &[u8],
    ) -> Result<Answer, RegistryError> {
        let mut request = Request::builder().method(method).uri(url.as_str());
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        if let Some(value) =
            self.authorization.as_ref().filter(|_| url.origin() == self.base.origin())
        {
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(body.to_vec());
        let request = request.map_err(|error| self.malformed(task, &error.to_string()))?;
        self.http.send(self.purpose(task), &request)
    }

    /// Reads a body of at most `limit` bytes.
    pub fn body(&self, task: &str, answer: Answer, limit: u64) -> Result<Vec<u8>, RegistryError> {
        self.http.body(self.purpose(task), answer, limit)
    }

    fn purpose<'a>(&'a self, task: &'a str) -> Purpose<'a> {
        Purpose { task, server: &self.server }
    }

    /// The error of a status that is not expected. `advice` is for 404.
    pub fn error(&self, task: &str, answer: Answer, advice: &'static str) -> RegistryError {
        self.error_of(self.purpose(task), answer, advice)
    }

    fn error_of(&self, of: Purpose<'_>, answer: Answer, advice: &'static str) -> RegistryError {
        let (task, server) = (of.task.to_owned(), of.server.to_owned());
        let status = answer.status;
        let said = answer.said();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryError::Refused {
                task,
                server,
                status: status.as_u16(),
                said,
                tried: self.credentials.to_string(),
            },
            StatusCode::NOT_FOUND => RegistryError::NotFound { task, server, said, advice },
            _ => RegistryError::Status { task, server, status: status.as_u16(), said },
        }
    }

    /// The error of an answer that is not what the specification says.
    pub fn malformed(&self, task: &str, what: &str) -> RegistryError {
        malformed(self.purpose(task), what.to_owned())
    }
}

/// The answer of a token service. Both names are in use.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

fn malformed(purpose: Purpose<'_>, what: String) -> RegistryError {
    let Purpose { task, server } = purpose;
    RegistryError::Malformed { task: task.to_owned(), server: server.to_owned(), what }
}

fn get(url: &str) -> Result<Request<Vec<u8>>, RegistryError> {
    let purpose = Purpose { task: "connect", server: url };
    let request = Request::get(url).body(Vec::new());
    request.map_err(|error| malformed(purpose, error.to_string()))
}

fn basic(user: &str, password: &str) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    // Base64 has no character that a header cannot hold.
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
        .unwrap_or(HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

/// Whether a host is this machine.
fn is_loopback(host: &str) -> bool {
    let url = Url::parse(&format!("http://{host}/"));
    let is_loopback = |host: Host<&str>| match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => IpAddr::from(address).is_loopback(),
        Host::Ipv6(address) => IpAddr::from(address).is_loopback(),
    };
    url.is_ok_and(|url| url.host().is_some_and(is_loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_its_names_and_addresses() {
        for host in ["localhost", "localhost:5000", "a.localhost", "127.0.0.1:5000", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1:5000", "127.example", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
