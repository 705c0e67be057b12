//! Runs tests: for each a VM of its own, a plugin, one stream, and the callbacks that the test
//! names, in order. After an immediate response the later callbacks are not called, and their
//! expectations are compared with an empty outcome.

use bytes::Bytes;
use gatepost_diagnostics::Diagnostic;
use gatepost_host::{
    CallError, Clock, Headers, Host, LogLevel, Module, Outcome as Answer, Plugin, PluginConfig,
    Profile, PropertyValue, StartError, StreamId, StreamInfo, Vm, VmOptions,
};

use super::check::{Check, NO_GRPC_STATUS, Outcome, Reply};
use super::input::InputError;
use super::map::HeaderMap;
use super::read::Suite;
use super::schema::{self, LogLevel as Level, Test};
use crate::log::{Line, Lines};
use crate::report::{CaseReport, FileReport, mismatch};

/// The time of a test that gives none. It is not zero, because the Go runtime does not start at
/// zero.
const DEFAULT_NANOS: u64 = 1_000_000;

/// A clock that always shows the same time.
struct Fixed(u64);

impl Clock for Fixed {
    fn wall_nanos(&self) -> u64 {
        self.0
    }

    fn monotonic_nanos(&self) -> u64 {
        self.0
    }
}

/// Why a test ends early.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("{0}")]
    Input(#[from] InputError),
}

impl Suite {
    /// Runs every test with a module and a plugin configuration.
    #[must_use]
    pub fn run(
        &self,
        module: &Module,
        configuration: &Bytes,
        options: impl Fn() -> VmOptions,
        only: Option<&str>,
    ) -> FileReport {
        let cases = self
            .tests
            .iter()
            .filter(|test| only.is_none_or(|only| test.name.contains(only)))
            .map(|test| self.case(test, module, configuration, options()))
            .collect();
        FileReport { file: self.path.display().to_string(), notes: self.notes(), cases }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let benchmarks = self.tests.iter().filter(|test| test.benchmark).count();
        if benchmarks > 0 {
            let s = if benchmarks == 1 { "" } else { "s" };
            notes
                .push(format!("{benchmarks} test{s} with `benchmark: true`: tested, not measured"));
        }
        if !self.env.log_path.is_empty() && !self.env.log_path.starts_with("/dev/") {
            notes.push(format!(
                "log lines are shown with tests that fail, not written to {}",
                self.env.log_path
            ));
        }
        notes
    }

    fn level(&self) -> LogLevel {
        let level = match self.env.log_level() {
            Level::Undefined => self.env.min_log_level(),
            level => level,
        };
        match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Undefined | Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
            Level::Critical => LogLevel::Critical,
        }
    }

    fn case(
        &self,
        test: &Test,
        module: &Module,
        configuration: &Bytes,
        options: VmOptions,
    ) -> CaseReport {
        let options = VmOptions { profile: Profile::Gcp, ..options };
        let log = Lines::from(self.level());
        let nanos = self
            .env
            .time_secs
            .filter(|secs| *secs > 0)
            .map_or(DEFAULT_NANOS, |secs| secs.saturating_mul(1_000_000_000));
        let host = Host {
            log: std::sync::Arc::new(log.clone()),
            clock: std::sync::Arc::new(Fixed(nanos)),
            ..Host::default()
        };
        let mut case = Case {
            suite: self,
            test,
            log,
            mismatches: Vec::new(),
            replied: false,
            phase: "plugin_init",
        };
        if let Err(halt) = case.run(module, configuration, host, options) {
            case.mismatches.push(mismatch(
                case.phase,
                "outcome",
                "the plugin runs",
                halt.to_string(),
            ));
        }
        case.mismatches.extend(case.log.overflow());
        let logs = case
            .log
            .since(0)
            .into_iter()
            .map(|line| format!("{}: {}", line.level, String::from_utf8_lossy(&line.message)));
        CaseReport::new(&test.name, None, case.mismatches, logs.collect())
    }
}

struct Case<'a> {
    suite: &'a Suite,
    test: &'a Test,
    log: Lines,
    mismatches: Vec<Diagnostic>,
    /// Whether an immediate response has been sent.
    replied: bool,
    phase: &'static str,
}

/// The two callbacks of one direction of a stream.
struct Callbacks {
    headers: &'static str,
    body: &'static str,
    on_headers: fn(&mut Vm, StreamId, &mut Headers, bool) -> Result<Answer, CallError>,
    on_body: fn(&mut Vm, StreamId, &mut Bytes, bool) -> Result<Answer, CallError>,
    is_request: bool,
}

const REQUEST: Callbacks = Callbacks {
    headers: "request_headers",
    body: "request_body",
    on_headers: Vm::request_headers,
    on_body: Vm::request_body,
    is_request: true,
};

const RESPONSE: Callbacks = Callbacks {
    headers: "response_headers",
    body: "response_body",
    on_headers: Vm::response_headers,
    on_body: Vm::response_body,
    is_request: false,
};

impl Case<'_> {
    fn run(
        &mut self,
        module: &Module,
        configuration: &Bytes,
        host: Host,
        options: VmOptions,
    ) -> Result<(), Halt> {
        let mut vm = Vm::new(module, host, options)?;
        let config = PluginConfig {
            name: "test".to_owned(),
            configuration: configuration.clone(),
            ..PluginConfig::default()
        };
        let log_start = self.log.len();
        let plugin = vm.start_plugin(config)?;
        let lines = messages(&self.log.since(log_start), plugin.context());
        self.side_effects(self.test.plugin_init.as_ref(), &lines);

        self.phase = "stream_init";
        let log_start = self.log.len();
        let stream = vm.stream(plugin, self.info())?;
        let lines = messages(&self.log.since(log_start), stream.context());
        self.side_effects(self.test.stream_init.as_ref(), &lines);

        self.message(
            &mut vm,
            stream,
            &REQUEST,
            self.test.request_headers.as_ref(),
            &self.test.request_body,
        )?;
        self.message(
            &mut vm,
            stream,
            &RESPONSE,
            self.test.response_headers.as_ref(),
            &self.test.response_body,
        )?;
        self.end(&mut vm, plugin, stream)
    }

    fn end(&mut self, vm: &mut Vm, plugin: Plugin, stream: StreamId) -> Result<(), Halt> {
        self.phase = "stream_destroy";
        let log_start = self.log.len();
        // Google's runner does not call `proxy_on_log`.
        vm.delete(stream)?;
        let lines = messages(&self.log.since(log_start), stream.context());
        self.side_effects(self.test.stream_destroy.as_ref(), &lines);
        self.phase = "plugin_destroy";
        vm.stop_plugin(plugin)?;
        Ok(())
    }

    fn info(&self) -> StreamInfo {
        let property = |property: &schema::Property| {
            (property.path.clone(), PropertyValue::Bytes(Bytes::copy_from_slice(&property.value)))
        };
        StreamInfo {
            properties: self.test.properties.iter().map(property).collect(),
            only_given_properties: true,
            ..StreamInfo::default()
        }
    }

    fn side_effects(&mut self, expected: Option<&schema::Expectation>, log: &[Bytes]) {
        if let Some(expected) = expected {
            let mut check = Check { suite: self.suite, phase: self.phase, mismatches: Vec::new() };
            check.log(expected, log);
            self.mismatches.append(&mut check.mismatches);
        }
    }

    fn check(&mut self, invocation: &schema::Invocation, outcome: &Outcome) {
        let mut check = Check { suite: self.suite, phase: self.phase, mismatches: Vec::new() };
        check.phase(&Test::expectation(invocation), outcome);
        self.mismatches.append(&mut check.mismatches);
    }

    fn message(
        &mut self,
        vm: &mut Vm,
        stream: StreamId,
        callbacks: &Callbacks,
        headers: Option<&schema::Invocation>,
        bodies: &[schema::Invocation],
    ) -> Result<(), Halt> {
        if let Some(invocation) = headers {
            self.phase = callbacks.headers;
            let sent = self.suite.headers(invocation.input.as_ref(), callbacks.is_request)?;
            let outcome = if self.replied {
                Outcome::default()
            } else {
                self.headers(vm, stream, callbacks, &sent)?
            };
            self.check(invocation, &outcome);
        }
        self.phase = callbacks.body;
        for (invocation, chunks) in bodies.iter().zip(self.suite.bodies(self.test, bodies)?) {
            let outcome = self.body(vm, stream, callbacks, chunks)?;
            self.check(invocation, &outcome);
        }
        Ok(())
    }

    fn headers(
        &mut self,
        vm: &mut Vm,
        stream: StreamId,
        callbacks: &Callbacks,
        sent: &HeaderMap,
    ) -> Result<Outcome, Halt> {
        let (log_start, mut lent) = (self.log.len(), sent.lend());
        let answer = (callbacks.on_headers)(vm, stream, &mut lent, false)?;
        let message = HeaderMap::returned(&lent);
        let log = messages(&self.log.since(log_start), stream.context());
        let mut outcome = Outcome { headers: message.clone(), message, log, ..Outcome::default() };
        match answer {
            Answer::Continue => {}
            Answer::Pause(_) => outcome.stopped = Some("the plugin paused it"),
            Answer::Close => outcome.stopped = Some("the plugin closed the stream"),
            Answer::LocalReply(reply) => {
                self.replied = true;
                let reply = self::reply(&reply);
                (outcome.headers, outcome.body) = (reply.headers.clone(), reply.body.clone());
                outcome.reply = Some(reply);
            }
        }
        Ok(outcome)
    }

    /// The chunks of one body, joined again. The log is that of the last chunk. Google's runner
    /// takes a reply to a request's body, after which no callback follows, and does not compare it:
    /// a test that expects one fails.
    fn body(
        &mut self,
        vm: &mut Vm,
        stream: StreamId,
        callbacks: &Callbacks,
        chunks: Vec<Bytes>,
    ) -> Result<Outcome, Halt> {
        let (last, mut body, mut outcome) =
            (chunks.len().saturating_sub(1), Vec::new(), Outcome::default());
        for (at, mut chunk) in chunks.into_iter().enumerate() {
            outcome.log.clear();
            if self.replied {
                continue;
            }
            let log_start = self.log.len();
            let answer = (callbacks.on_body)(vm, stream, &mut chunk, at == last)?;
            outcome.log = messages(&self.log.since(log_start), stream.context());
            body.extend_from_slice(&chunk);
            self.replied |= matches!(answer, Answer::LocalReply(_));
        }
        outcome.body = body.into();
        Ok(outcome)
    }
}

fn reply(reply: &gatepost_host::LocalReply) -> Reply {
    let mut headers = HeaderMap::default();
    for (name, value) in &reply.headers {
        headers.set(name.as_bytes(), value.as_bytes());
    }
    Reply {
        http_status: reply.status,
        grpc_status: reply.grpc_status.unwrap_or(NO_GRPC_STATUS),
        details: reply.details.0.clone(),
        body: reply.body.0.clone(),
        headers,
    }
}

/// What one context logged.
fn messages(lines: &[Line], context: u32) -> Vec<Bytes> {
    lines.iter().filter(|line| line.context == context).map(|line| line.message.clone()).collect()
}

/// Reads the plugin configuration that a file names.
pub(crate) fn configuration(
    suite: &Suite,
) -> Result<Option<Bytes>, (std::path::PathBuf, std::io::Error)> {
    if suite.env.config_path.is_empty() {
        return Ok(None);
    }
    let path = suite.anywhere(&suite.env.config_path);
    let read = suite.read_data(&path);
    read.map(|bytes| Some(bytes.into())).map_err(|error| (path, error))
}
