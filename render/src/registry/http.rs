//! One request and its answer: time-outs, limits, TLS, and when it is sent again.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use ureq::http::{HeaderMap, Method, Request, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::Options;
use super::error::RegistryError;

/// How often a request is sent at most, when the server says that it is busy or failed.
const ATTEMPTS: u32 = 3;

/// How long all requests of a command wait together for a server to let them in.
const WAITING: Duration = Duration::from_secs(60);

/// The pause before the second attempt, where the server names none. It doubles.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest text of an error, and what of it is shown.
const SAID: u64 = 64 * 1024;
const SHOWN: usize = 300;

/// What a request is for: a part of an error's sentence, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purpose<'a> {
    /// Follows "cannot".
    pub task: &'a str,
    /// The host and port.
    pub server: &'a str,
}

/// An answer, of which the body has not been read.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Body,
}

/// What sends requests. Over TLS the certificates are those of the system, since the registries of
/// companies have authorities of their own.
#[derive(Debug)]
pub(super) struct Http {
    agent: Agent,
    timeout: Duration,
    notice: fn(&str),
    waits_until: Instant,
}

impl Http {
    /// For a registry. `is_near` says that it is on this machine, where no proxy leads.
    pub fn new(options: &Options, is_near: bool) -> Result<Self, RegistryError> {
        let roots = match authorities() {
            Ok(roots) => roots,
            // They may not be needed here.
            Err(_) if options.insecure || is_near => Vec::new(),
            Err(error) => return Err(error),
        };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&roots))
            .disable_verification(options.insecure)
            .build();
        let mut config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(options.timeout))
            .http_status_as_error(false)
            .user_agent(concat!("gatepost/", env!("CARGO_PKG_VERSION")));
        if is_near {
            config = config.proxy(None);
        }
        Ok(Self {
            agent: config.build().into(),
            timeout: options.timeout,
            notice: options.notice,
            waits_until: Instant::now() + WAITING,
        })
    }

    /// Sends a request, again where the server is busy or failed. Any other status is an answer.
    pub fn send(
        &self,
        purpose: Purpose<'_>,
        request: &Request<Vec<u8>>,
    ) -> Result<Answer, RegistryError> {
        let mut pause = PAUSE;
        for attempt in 1.. {
            let answer = self.run(request).map_err(|error| self.failed(purpose, error))?;
            let (head, body) = answer.into_parts();
            let answer = Answer { status: head.status, headers: head.headers, body };
            let is_busy = answer.status == StatusCode::TOO_MANY_REQUESTS;
            if !is_busy && !answer.status.is_server_error() {
                return Ok(answer);
            }
            let wanted = retry_after(&answer.headers);
            let wait = wanted.unwrap_or(pause);
            let left = self.waits_until.saturating_duration_since(Instant::now());
            if attempt == ATTEMPTS || wait > left {
                let said = answer.said();
                let (task, server) = (purpose.task.to_owned(), purpose.server.to_owned());
                return Err(if is_busy {
                    let wanted = wanted.map(|wait| format!(" and wants {wait:?} of quiet"));
                    let wanted = wanted.unwrap_or_default();
                    RegistryError::TooManyRequests { task, server, said, wanted }
                } else {
                    RegistryError::Status { task, server, status: head.status.as_u16(), said }
                });
            }
            let Purpose { task, server } = purpose;
            (self.notice)(&format!(
                "{server} answered {}: waiting {wait:?} to {task}",
                head.status.as_u16()
            ));
            thread::sleep(wait);
            pause *= 2;
        }
        unreachable!("the last attempt returns")
    }

    fn run(&self, request: &Request<Vec<u8>>) -> Result<Response<Body>, ureq::Error> {
        let (head, body) = request.clone().into_parts();
        // ureq takes a body that a method does not have for a mistake.
        if matches!(head.method, Method::POST | Method::PUT) {
            self.agent.run(Request::from_parts(head, body))
        } else {
            self.agent.run(Request::from_parts(head, ()))
        }
    }

    fn failed(&self, purpose: Purpose<'_>, error: ureq::Error) -> RegistryError {
        failed(purpose, self.timeout, error)
    }

    /// Reads a body of at most `limit` bytes.
    pub fn body(
        &self,
        purpose: Purpose<'_>,
        answer: Answer,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let too_long = || RegistryError::TooLong {
            task: purpose.task.to_owned(),
            server: purpose.server.to_owned(),
            limit,
        };
        // ureq takes a body that is as long as its limit for one that is longer.
        match answer.body.into_with_config().limit(limit + 1).read_to_vec() {
            Ok(body) if body.len() as u64 > limit => Err(too_long()),
            Ok(body) => Ok(body),
            Err(ureq::Error::BodyExceedsLimit(_)) => Err(too_long()),
            Err(error) => Err(self.failed(purpose, error)),
        }
    }
}

impl Answer {
    /// A header with a text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All values of a header that are texts.
    pub fn all<'a>(&'a self, name: &str) -> Vec<&'a str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// What the server says about an error: the codes and messages of the specification, else the
    /// beginning of the text. Ready to follow a status.
    pub fn said(self) -> String {
        let text = self.body.into_with_config().limit(SAID).lossy_utf8(true).read_to_string();
        let text = text.unwrap_or_default();
        let messages =
            serde_json::from_str(&text).ok().map(messages).filter(|said| !said.is_empty());
        // A registry must not be able to write to a terminal.
        let shown = messages.unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String =
            shown.chars().filter(|character| !character.is_control()).take(SHOWN).collect();
        if shown.is_empty() { shown } else { format!(": {shown}") }
    }
}

/// `{"errors": [{"code": "DENIED", "message": "…"}]}`.
fn messages(value: serde_json::Value) -> String {
    let errors = value.get("errors").and_then(|errors| errors.as_array().cloned());
    let text = |error: &serde_json::Value| {
        let of = |name| error.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        format!("{} {}", of("code"), of("message"))
    };
    errors.unwrap_or_default().iter().map(text).collect::<Vec<_>>().join("; ")
}

/// The seconds of `Retry-After`. A date is not read: the server's clock may differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// The authorities that this system trusts.
fn authorities() -> Result<Vec<Certificate<'static>>, RegistryError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let problems: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(RegistryError::NoAuthorities { problems: problems.join(", ") });
    }
    Ok(found.certs.iter().map(|found| Certificate::from_der(found).to_owned()).collect())
}

fn failed(purpose: Purpose<'_>, limit: Duration, error: ureq::Error) -> RegistryError {
    let (task, server) = (purpose.task.to_owned(), purpose.server.to_owned());
    let connect = |problem: String| RegistryError::Connect { server: server.clone(), problem };
    match error {
        ureq::Error::Timeout(_) => RegistryError::TimedOut { task, server, limit },
        ureq::Error::HostNotFound => connect("no address for this name".to_owned()),
        ureq::Error::Rustls(error) => of_tls(server, &error),
        ureq::Error::Io(error) => match tls(&error) {
            Some(error) => of_tls(server, error),
            None if is_cut_off(error.kind()) => {
                RegistryError::CutOff { task, server, problem: error.to_string() }
            }
            None => connect(error.to_string()),
        },
        ureq::Error::Protocol(error) => {
            RegistryError::Malformed { task, server, what: format!("no HTTP: {error}") }
        }
        ureq::Error::LargeResponseHeader(..) => {
            RegistryError::Malformed { task, server, what: "a head without an end".to_owned() }
        }
        error => connect(error.to_string()),
    }
}

fn tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn of_tls(server: String, error: &rustls::Error) -> RegistryError {
    let problem = error.to_string();
    match error {
        rustls::Error::InvalidCertificate(_) => RegistryError::Certificate { server, problem },
        rustls::Error::InvalidMessage(_) => RegistryError::NoTls { server, problem },
        _ => RegistryError::Connect { server, problem },
    }
}

fn is_cut_off(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as K;
    matches!(kind, K::UnexpectedEof | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe)
}
