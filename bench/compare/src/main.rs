//! The comparison arm of the host's benchmark, as a process: it runs a module on the crate
//! `proxy-wasm-host`. Its arguments are the files of the module and of its configuration. The first
//! line of its input is a request's headers, `name=value` with tabs between them, and the second is
//! the header that they must have afterwards. Each later line is a number of streams, and is
//! answered with the cost of one of them, in nanoseconds of processor time.

use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use proxy_wasm_host::abi::v0_2_1::types::{Action, LogLevel, MapType, Status};
use proxy_wasm_host::abi::v0_2_1::{
    Access, Guest, GuestError, Host, Invocation, LogContext, LogSink, PluginConfig, Started,
    StreamKind, StreamState, VmServices,
};
use proxy_wasm_host::{Engine, HeaderMap, Limits, Module, VecHeaderMap};
use rustix::time::{ClockId, clock_gettime};

struct NoLog;

impl LogSink for NoLog {
    fn log(&self, _: LogContext<'_>, _: LogLevel, _: &[u8]) {}
}

struct Request {
    headers: VecHeaderMap,
}

impl StreamState for Request {
    fn header_map(
        &mut self,
        _: Invocation,
        _: Access,
        map: MapType,
    ) -> Result<&mut dyn HeaderMap, Status> {
        match map {
            MapType::HttpRequestHeaders => Ok(&mut self.headers),
            _ => Err(Status::NotFound),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args_os().skip(1);
    let (Some(module), Some(configuration)) = (files.next(), files.next()) else {
        return Err("the arguments are the files of a module and of its configuration".into());
    };
    let engine = Engine::new()?;
    let module = Module::new(&engine, &std::fs::read(module)?)?;
    let config =
        PluginConfig::new().with_name("bench").with_configuration(std::fs::read(configuration)?);
    let host = Host::new(&engine)?;
    let mut guest =
        Guest::new(&host, &module, VmServices::new(Arc::new(NoLog)), &Limits::default())?;
    let Started::Serving(root) = guest.start(config)? else {
        return Err("the plugin refused its start".into());
    };

    let mut lines = std::io::stdin().lock().lines();
    let head = lines.next().ok_or("the first line is the request's headers")??;
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = head
        .split('\t')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let headers = VecHeaderMap::from(pairs);
    let leaves =
        lines.next().ok_or("the second line is the header that the module must leave")??;
    let (name, value) = leaves.split_once('=').ok_or("a header is name=value")?;
    for line in lines {
        let count: u32 = line?.trim().parse()?;
        let before = thread_time();
        for _ in 0..count {
            let request = Request { headers: headers.clone() };
            let len = u32::try_from(request.headers.len())?;
            let (answer, request) = guest.with(request, |scope| {
                let stream = scope.on_context_create(Some(root))?;
                scope.expect_stream_kind(stream, StreamKind::Http)?;
                let action = scope.on_request_headers(stream, len, true)?;
                // This crate needs it before the log, while Envoy calls it after the log.
                scope.on_done(stream)?;
                scope.on_log(stream)?;
                scope.on_delete(stream)?;
                Ok::<_, GuestError>(action)
            });
            if answer? != Action::Continue
                || request.headers.get(name.as_bytes()).as_deref() != Some(value.as_bytes())
            {
                return Err("the module did something else than what is to be measured".into());
            }
        }
        let nanoseconds = (thread_time() - before).as_secs_f64() * 1e9 / f64::from(count);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{nanoseconds}")?;
        out.flush()?;
    }
    Ok(())
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
