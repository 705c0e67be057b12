//! Runs a file's tests: for each a chain of its own, and one exchange after the other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatepost_diagnostics::Diagnostic;
use gatepost_host::{
    Chain, ChainOptions, ChainPlugin, Clusters, Engine, HeaderScope, Headers, Host, LogLevel,
    Message, Module, PluginConfig, PropertyValue, StartError, StreamInfo, VirtualClock, Worker,
    WorkerOptions,
};
use serde_saphyr::Spanned;

use super::content::{self, Missing};
use super::drive::{Drive, Plan};
use super::judge::judge;
use super::model::{self, End, Exchange, Plugin, Request, Test, Upstream};
use super::observed::Observed;
use super::places::{line, span};
use super::read::Suite;
use super::stubs::{self, Stubs};
use super::values::{Property, address};
use crate::log::Lines;
use crate::modules::{RunnerError, load};
use crate::report::{CaseReport, FileReport, mismatch};

/// What the clocks show at the start. The Go runtime takes zero for a clock that is broken.
const UP: Duration = Duration::from_millis(1);

/// A file's tests with the modules that they need.
pub(crate) struct Run<'a> {
    suite: &'a Suite,
    /// The modules of the plugins, in order.
    modules: Vec<Module>,
    /// The plugin configuration that replaces the file's, for the module under test.
    configuration: Option<&'a Bytes>,
    limits: gatepost_host::Limits,
    /// A part of the names of the tests that are run.
    only: Option<&'a str>,
}

/// Why a test cannot be run.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error(transparent)]
    Start(#[from] StartError),
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        suite: &'a Suite,
        engine: &Engine,
        module: &Module,
        configuration: Option<&'a Bytes>,
        limits: &gatepost_host::Limits,
        only: Option<&'a str>,
    ) -> Result<Self, RunnerError> {
        let mut loaded: BTreeMap<&str, Module> = BTreeMap::new();
        let mut modules = Vec::new();
        for plugin in suite.file.plugins() {
            let Some(name) = plugin.module.as_deref() else {
                modules.push(module.clone());
                continue;
            };
            if !loaded.contains_key(name) {
                loaded.insert(name, load(engine, &suite.beside(name))?);
            }
            modules.extend(loaded.get(name).cloned());
        }
        let limits = suite.file.limits.over(limits);
        Ok(Self { suite, modules, configuration, limits, only })
    }

    pub(crate) fn run(&self) -> FileReport {
        let tests = self.suite.file.tests.iter();
        let wanted =
            tests.filter(|test| self.only.is_none_or(|only| test.value.name.value.contains(only)));
        let cases = wanted.map(|test| self.case(test)).collect();
        FileReport { file: self.suite.path.display().to_string(), notes: Vec::new(), cases }
    }

    fn case(&self, test: &Spanned<Test>) -> CaseReport {
        let log = Lines::from(self.suite.file.log_level.unwrap_or(LogLevel::Trace));
        let source = &self.suite.source;
        let name = &test.value.name;
        let place = span(source, name.referenced);
        let mismatches = self.mismatches(&test.value, &log);
        let mismatches = mismatches.into_iter().map(|one| one.at(source, place)).collect();
        let logs = log
            .since(0)
            .into_iter()
            .map(|line| format!("{}: {}", line.level, String::from_utf8_lossy(&line.message)));
        CaseReport::new(&name.value, Some(line(test)), mismatches, logs.collect())
    }

    fn mismatches(&self, test: &Test, log: &Lines) -> Vec<Diagnostic> {
        let missing =
            |error: Missing| vec![mismatch("test", "file", "it can be read", error.to_string())];
        let plans: Result<Vec<Plan>, Missing> =
            test.exchanges().map(|exchange| self.plan(&exchange)).collect();
        let (plans, stubs) =
            match plans.and_then(|plans| Ok((plans, Stubs::new(self.suite, &test.callouts)?))) {
                Ok(prepared) => prepared,
                Err(error) => return missing(error),
            };
        let clock = VirtualClock::at(self.suite.file.time.saturating_mul(1_000_000_000));
        clock.advance(UP);
        let mut drive = match self.start(test, &clock, log) {
            Ok(worker) => Drive::new(worker, clock, log.clone(), stubs),
            Err(Halt::Missing(error)) => return missing(error),
            Err(Halt::Start(error)) => {
                let logs =
                    log.since(0).into_iter().map(|line| (line.level, line.message)).collect();
                let observed =
                    Observed { refused: Some(error.to_string()), logs, ..Observed::default() };
                return judge(&test.expect.value, test.strict, &observed);
            }
        };
        let mut mismatches = Vec::new();
        for (number, (exchange, plan)) in test.exchanges().zip(plans).enumerate() {
            let found = judge(exchange.expect, test.strict, &drive.exchange(plan));
            // The first request is the test itself.
            mismatches.extend(found.into_iter().map(|mismatch| match number.checked_sub(1) {
                Some(number) => Diagnostic {
                    message: format!("then[{number}]: {}", mismatch.message),
                    ..mismatch
                },
                None => mismatch,
            }));
        }
        mismatches
    }

    fn start(&self, test: &Test, clock: &VirtualClock, log: &Lines) -> Result<Worker, Halt> {
        let file = &self.suite.file;
        let clusters = file
            .clusters
            .as_ref()
            .map_or(Clusters::Any, |names| Clusters::Only(names.clone().into()));
        let host = Host {
            log: Arc::new(log.clone()),
            clock: Arc::new(clock.clone()),
            clusters,
            ..Host::default()
        };
        let plugins = file.plugins();
        let is_chain = plugins.len() > 1;
        let mut chain = Vec::new();
        for (number, (plugin, module)) in plugins.iter().zip(&self.modules).enumerate() {
            let configuration = self.configuration(test, plugin)?;
            let name = if is_chain { format!("plugin-{}", number + 1) } else { "test".to_owned() };
            let config = PluginConfig {
                name: plugin.name.clone().unwrap_or(name),
                root_id: plugin.root_id.clone(),
                vm_id: plugin.vm_id.clone(),
                vm_configuration: plugin
                    .vm_configuration
                    .as_ref()
                    .map(|given| given.0.clone())
                    .unwrap_or_default(),
                configuration,
                fail_policy: plugin.fail_policy,
                allow_on_headers_stop_iteration: plugin.allow_on_headers_stop_iteration,
                ..PluginConfig::default()
            };
            chain.push(ChainPlugin { module: module.clone(), config });
        }
        let options = ChainOptions {
            profile: file.profile,
            buffer_bytes: file.limits.buffer_bytes.unwrap_or(ChainOptions::default().buffer_bytes),
            limits: self.limits.clone(),
            environment: file.environment.clone(),
            ..ChainOptions::default()
        };
        let options_of_worker =
            WorkerOptions { seed: Some(file.seed), record: true, ..WorkerOptions::default() };
        Ok(Worker::with_options(&Chain::with_options(chain, options), host, &options_of_worker)?)
    }

    /// The configuration of a plugin.
    fn configuration(&self, test: &Test, plugin: &Plugin) -> Result<Bytes, Missing> {
        if let (Some(given), None) = (self.configuration, &plugin.module) {
            return Ok(given.clone());
        }
        let given = [
            (&test.configuration, &test.configuration_file),
            (&plugin.configuration, &plugin.configuration_file),
        ];
        for (configuration, file) in given {
            match (configuration, file) {
                (Some(configuration), _) => return Ok(configuration.0.clone()),
                (None, Some(name)) => return content::file(self.suite, &name.value),
                (None, None) => {}
            }
        }
        Ok(Bytes::new())
    }

    fn plan(&self, exchange: &Exchange<'_>) -> Result<Plan, Missing> {
        let Exchange { request, upstream, properties, before, after, .. } = exchange;
        Ok(Plan {
            before: before.0,
            after: after.0,
            info: request.map(|request| info(request, properties)).unwrap_or_default(),
            request: request.map(|request| self.request(request)).transpose()?,
            response: if upstream.reset { None } else { Some(self.response(upstream)?) },
            delay: upstream.delay.0,
        })
    }

    fn request(&self, request: &Request) -> Result<Message, Missing> {
        let Request { method, headers, body, trailers, end, .. } = request;
        let (scheme, authority, path) = target(request);
        let own = [
            (":method", method.as_deref().unwrap_or("GET")),
            (":scheme", &scheme),
            (":authority", &authority),
            (":path", &path),
        ];
        let given = headers.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = replaced(own, given, HeaderScope::Request);
        self.message(headers, body.as_ref(), trailers.as_ref(), HeaderScope::RequestTrailers, *end)
    }

    fn response(&self, upstream: &Upstream) -> Result<Message, Missing> {
        let Upstream { status, headers, body, trailers, end, .. } = upstream;
        let status = status.to_string();
        let given = headers.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = replaced([(":status", status.as_str())], given, HeaderScope::Response);
        self.message(headers, body.as_ref(), trailers.as_ref(), HeaderScope::ResponseTrailers, *end)
    }

    fn message(
        &self,
        headers: Headers,
        body: Option<&super::values::Body>,
        trailers: Option<&super::values::HeaderList>,
        scope: HeaderScope,
        end: End,
    ) -> Result<Message, Missing> {
        Ok(Message {
            headers,
            body: body
                .map(|body| content::pieces(self.suite, body))
                .transpose()?
                .unwrap_or_default(),
            trailers: trailers.map(|trailers| stubs::map(scope, trailers)),
            end: match end {
                End::Last => gatepost_host::End::OnLast,
                End::Empty => gatepost_host::End::Empty,
            },
        })
    }
}

/// The headers, with the pseudo-headers that follow from the other fields. A pseudo-header that is
/// given among the headers replaces its own.
fn replaced<'t, const N: usize>(
    own: [(&'t str, &'t str); N],
    given: impl Iterator<Item = (&'t str, &'t str)> + Clone,
    scope: HeaderScope,
) -> Headers {
    let is_given = |name: &str| given.clone().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let own: Vec<_> = own.into_iter().filter(|(name, _)| !is_given(name)).collect();
    Headers::collect(scope, own.into_iter().chain(given.clone()))
}

/// Scheme, authority and path.
fn target(request: &Request) -> (String, String, String) {
    if let Some(url) = request.url.as_ref().and_then(|url| url::Url::parse(&url.value).ok()) {
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        return (url.scheme().to_owned(), authority.to_owned(), path.to_owned());
    }
    let or =
        |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
    (or(&request.scheme, "http"), or(&request.authority, "test.example"), or(&request.path, "/"))
}

/// What the proxy knows of the stream: what the test says. For what it does not say, the values of
/// a remote client.
fn info(request: &Request, properties: &BTreeMap<String, Spanned<Property>>) -> StreamInfo {
    let given = |name: &str| properties.contains_key(name);
    let peer =
        |address_given: &Option<Spanned<String>>, group: &str, default: [u8; 4], port: u16| {
            let named = address_given.as_ref().and_then(|place| address(&place.value));
            let has_property =
                given(&format!("{group}.address")) || given(&format!("{group}.port"));
            named.or_else(|| (!has_property).then(|| SocketAddr::from((default, port))))
        };
    let (scheme, ..) = target(request);
    let mut info = StreamInfo {
        source: peer(&request.source, "source", [192, 0, 2, 1], 40_000),
        destination: peer(
            &request.destination,
            "destination",
            [198, 51, 100, 1],
            if scheme == "https" { 443 } else { 80 },
        ),
        protocol: (!given("request.protocol"))
            .then(|| request.protocol.unwrap_or(model::Protocol::Http11).name()),
        ..StreamInfo::default()
    };
    let known = [
        ("connection.id", PropertyValue::Uint(1)),
        ("connection.mtls", PropertyValue::Bool(false)),
    ];
    info.properties.extend(
        known
            .into_iter()
            .filter(|(name, _)| !given(name))
            .map(|(name, value)| (name.to_owned(), value)),
    );
    for (name, property) in properties {
        match (name.as_str(), &property.value.0) {
            ("route_name" | "xds.route_name", PropertyValue::Bytes(text)) => {
                info.route_name = text.clone();
            }
            ("cluster_name" | "xds.cluster_name", PropertyValue::Bytes(text)) => {
                info.cluster_name = Some(text.clone());
            }
            (_, value) => info.properties.push((name.clone(), value.clone())),
        }
    }
    info
}
