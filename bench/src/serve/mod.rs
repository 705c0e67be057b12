//! The embedded gateway beside Envoy: the processor time of `gatepost serve` for one request, and
//! that of an Envoy with the same filter, policy and upstream. All threads of a process count.
//!
//! Both have one worker, on a core of their own. `wrk` and the upstream share another core. The
//! upstream knows only the host that the policy writes, so an answer with 200 shows that the
//! policy was carried out, and each of them must be one.

pub mod report;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options};
use serde::Serialize;
use serde_json::json;

use crate::envoy::cores::Cores;
use crate::envoy::error::EnvoyError;
use crate::envoy::gateway::{Round, processor_time};
use crate::envoy::load::{Load, Requests};
use crate::envoy::{Pace, envoy};
use crate::error::BenchError;
use crate::rounds::{Spread, evened, in_turn};

/// The policy of the run.
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/all-in-one/policy.yaml");

/// The one request of the run: a browser's, to an environment.
const REQUEST: &str = "GET /cart HTTP/1.1\r\nHost: app.example\r\nenv: env2\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: text/html\r\n\
    Accept-Encoding: gzip, br\r\nCookie: session=8f14e45f\r\n\r\n";

/// The host that the policy writes for it.
const ENVIRONMENT: &str = "app-service.env2.svc.cluster.local";

/// The arms that every run has, by the names that the report uses.
pub const ENVOY: &str = "Envoy";
/// Envoy once more: how much of a difference is noise.
pub const CONTROL: &str = "Envoy again";
/// The command that was named first.
pub const SERVE: &str = "gatepost serve";

/// The figure of one arm.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The arm.
    pub arm: String,
    /// Processor time of all threads for one request, in nanoseconds, [evened].
    pub nanoseconds: Spread,
    /// Requests in a second.
    pub per_second: Spread,
}

/// The command that was built with this program: `gatepost` in the same folder.
///
/// # Errors
/// When there is none.
pub fn command() -> Result<PathBuf, BenchError> {
    let failed = |error| BenchError::Process { what: "this program".to_owned(), error };
    let program = std::env::current_exe().map_err(failed)?;
    // A test is one folder below.
    let found = program.ancestors().skip(1).take(2).map(|folder| folder.join("gatepost"));
    found.into_iter().find(|command| command.is_file()).ok_or(BenchError::NoCommand)
}

/// Measures `commands`, each a build of `gatepost`, beside an Envoy.
///
/// # Errors
/// When a process does not start, or a request fails.
pub fn measure(commands: &[PathBuf], load: &Load, pace: Pace) -> Result<Vec<Figure>, BenchError> {
    let binary = envoy()?;
    let cores = Cores::choose()?;
    let folder = tempfile::tempdir().map_err(EnvoyError::system("a temporary folder"))?;
    let requests = Requests::of(vec![REQUEST.to_owned()], &folder.path().join("wrk.lua"))?;
    let command = commands.first().ok_or(BenchError::NoCommand)?;

    // `with_envoys` leaves this thread on the core of the load generator.
    cores.with_envoys(|| Ok::<(), EnvoyError>(()))?;
    let upstream = Envoy::start(&binary, &upstream(), &quiet()).map_err(EnvoyError::from)?;
    let upstream_at = upstream.listener("upstream").map_err(EnvoyError::from)?;
    let bootstrap = rendered(command, upstream_at)?;
    let (envoy, serving) = cores.with_envoys(|| {
        let envoy = Envoy::start(&binary, &bootstrap, &quiet()).map_err(EnvoyError::from)?;
        let serving: Result<Vec<Serving>, BenchError> =
            commands.iter().map(|command| Serving::start(command, upstream_at)).collect();
        Ok::<_, BenchError>((envoy, serving?))
    })?;

    let at = envoy.listener(LISTENER).map_err(EnvoyError::from)?;
    let name = |number: usize, command: &Path| match number {
        0 => SERVE.to_owned(),
        _ => command.display().to_string(),
    };
    let mut arms = vec![
        Arm { name: ENVOY.to_owned(), process: envoy.id(), at },
        Arm { name: CONTROL.to_owned(), process: envoy.id(), at },
    ];
    arms.extend(commands.iter().zip(&serving).enumerate().map(|(number, (command, serving))| {
        Arm { name: name(number, command), process: serving.child.id(), at: serving.at }
    }));
    // The first round warms up.
    let taken =
        in_turn(pace.rounds + 1, &mut arms, |_, arm| arm.round(&requests, load, pace.time))?;
    let taken: Vec<Vec<Round>> =
        taken.into_iter().map(|rounds| rounds.into_iter().skip(1).collect()).collect();
    let nanoseconds = |rounds: &Vec<Round>| rounds.iter().map(|round| round.nanoseconds).collect();
    let even = evened(&taken.iter().map(nanoseconds).collect::<Vec<_>>());
    let figure = |((arm, rounds), even): ((Arm, Vec<Round>), Vec<f64>)| Figure {
        arm: arm.name,
        nanoseconds: Spread::of(&even),
        per_second: Spread::of(&rounds.iter().map(|round| round.per_second).collect::<Vec<_>>()),
    };
    Ok(arms.into_iter().zip(taken).zip(even).map(figure).collect())
}

/// A process that is measured.
struct Arm {
    name: String,
    process: u32,
    at: SocketAddr,
}

impl Arm {
    fn round(&self, requests: &Requests, load: &Load, time: Duration) -> Result<Round, EnvoyError> {
        let before = self.spent()?;
        let sent = load.run(self.at, requests, time)?;
        let spent = self.spent()?.saturating_sub(before);
        if sent.errors > 0 || sent.requests == 0 || sent.unsuccessful > 0 {
            return Err(EnvoyError::Round {
                arm: self.name.clone(),
                workload: "environment",
                sent: sent.requests,
                unsuccessful: sent.unsuccessful,
                errors: sent.errors,
            });
        }
        #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
        let nanoseconds = spent.as_nanos() as f64 / sent.requests as f64;
        Ok(Round { nanoseconds, per_second: sent.per_second })
    }

    /// The processor time of all threads that the process has.
    fn spent(&self) -> Result<Duration, EnvoyError> {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.process));
        let threads = std::fs::read_dir(&tasks)
            .map_err(|error| EnvoyError::Proc(format!("{}: {error}", tasks.display())))?;
        threads.flatten().map(|thread| processor_time(&thread.path().join("schedstat"))).sum()
    }
}

/// A running `gatepost serve`, killed when this is dropped.
struct Serving {
    child: Child,
    at: SocketAddr,
}

impl Serving {
    fn start(command: &Path, upstream: SocketAddr) -> Result<Self, BenchError> {
        let what = || format!("{} serve", command.display());
        let failed = |error| BenchError::Process { what: what(), error };
        let child = Command::new(command)
            .args(["serve", "--policy", POLICY, "--listen", "127.0.0.1:0", "--workers", "1"])
            .args(["--route", &route(upstream)])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut serving = Self { child, at: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut said = String::new();
        if let Some(out) = serving.child.stderr.take() {
            BufReader::new(out).read_line(&mut said).map_err(failed)?;
        }
        let address = said.rsplit_once("http://").map(|(_, address)| address.trim().parse());
        let Some(Ok(at)) = address else {
            return Err(BenchError::Answer { what: what(), said });
        };
        serving.at = at;
        Ok(serving)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended by itself if it cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn quiet() -> Options {
    Options { filter_log_level: "error".to_owned(), ..Options::default() }
}

fn route(upstream: SocketAddr) -> String {
    format!("*={upstream}")
}

/// An Envoy that answers requests to the environment's host, and no others.
fn upstream() -> String {
    let route = json!({
        "match": { "prefix": "/" },
        "direct_response": { "status": 200, "body": { "inline_string": "ok" } },
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.\
                  HttpConnectionManager",
        "stat_prefix": "upstream",
        "route_config": { "virtual_hosts": [
            { "name": "environment", "domains": [ENVIRONMENT], "routes": [route] },
        ] },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            },
        }],
    });
    let listener = json!({
        "name": "upstream",
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }] }],
    });
    json!({ "static_resources": { "listeners": [listener] } }).to_string()
}

/// What `gatepost render envoy` says to the same policy and upstream.
fn rendered(command: &Path, upstream: SocketAddr) -> Result<String, BenchError> {
    let what = || format!("{} render envoy", command.display());
    let output = Command::new(command)
        .args(["render", "envoy", "--policy", POLICY, "--listen", "127.0.0.1:0"])
        .args(["--route", &route(upstream)])
        .output()
        .map_err(|error| BenchError::Process { what: what(), error })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(BenchError::Answer { what: what(), said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
