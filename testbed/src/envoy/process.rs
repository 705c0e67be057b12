//! One Envoy process on loopback: start it with a bootstrap, wait until it serves, ask its admin
//! interface, read its log, kill it. An Envoy that ends by itself is reported and not started
//! again.
//!
//! It relies on these facts, each measured on 1.40.0 by e2e/tests:
//! - `--config-yaml` is merged over the file of `-c`, so every Envoy gets an admin interface on a
//!   free port, for any bootstrap. `--admin-address-path` names the file that the address is
//!   written to.
//! - `--disable-hot-restart` lets any number of Envoys run side by side, without shared memory or a
//!   base id.
//! - `/ready` answers 200 once static listeners listen, and 503 before.
//! - Envoy's own log goes to standard error, an access log on `/dev/stdout` to standard output,
//!   which is flushed every `--file-flush-interval-msec` (ten seconds unless set).
//! - A refused static configuration ends the process with code 1 and a line
//!   `error initializing config`, which carries the reason.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// Merged over the bootstrap.
const ADMIN: &str =
    r#"{"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}}"#;

/// How often a starting Envoy is asked whether it is ready.
const POLL: Duration = Duration::from_millis(10);

/// How many of the log's last lines an error shows. The reason is in the last few, but a filter
/// logs a line for each error.
const TAIL: usize = 40;

/// How an Envoy is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads. Each has its own VM, so one worker makes a VM's fate visible to every
    /// request.
    pub concurrency: u32,
    /// Envoy's `--log-level`: trace, debug, info, warning, error, critical or off. At `info` a
    /// start alone logs its 70 kinds of extensions.
    pub log_level: String,
    /// The level of what filters log, one of the same words.
    pub filter_log_level: String,
    /// How long to wait for a started Envoy to be ready.
    pub ready_within: Duration,
    /// A program with its arguments that runs Envoy, such as `valgrind --tool=callgrind`: Envoy's
    /// path and arguments follow. It must become Envoy (`exec`), or ending it would leave Envoy
    /// alone. Empty when Envoy runs by itself.
    pub under: Vec<OsString>,
}

impl Default for Options {
    /// One worker, warnings of Envoy's, `info` of the filter's, thirty seconds, and nothing that
    /// runs it.
    fn default() -> Self {
        Self {
            concurrency: 1,
            log_level: "warning".to_owned(),
            filter_log_level: "info".to_owned(),
            ready_within: Duration::from_secs(30),
            under: Vec::new(),
        }
    }
}

/// Why an Envoy does not run or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The binary cannot be executed.
    #[error("cannot run {}: {source}", binary.display())]
    Spawn {
        /// The binary.
        binary: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Its files cannot be written.
    #[error("cannot write Envoy's files: {0}")]
    Files(#[source] io::Error),
    /// It ended by itself, most often because it refused its configuration.
    #[error("Envoy ended with {status}. The end of its log:\n{log}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// It runs and is not ready in time.
    #[error("Envoy is not ready after {waited:?}. The end of its log:\n{log}")]
    NotReady {
        /// How long it had.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },
    /// The admin interface does not answer, or not with 200.
    #[error("Envoy's admin interface does not answer {path}: {message}")]
    Admin {
        /// The path and query.
        path: String,
        /// What went wrong.
        message: String,
    },
    /// There is no such listener.
    #[error("Envoy has no listener `{name}` with an IP address; it has {found:?}")]
    NoListener {
        /// The name asked for.
        name: String,
        /// The listeners there are.
        found: Vec<String>,
    },
}

/// A running Envoy, killed when this is dropped.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    files: Files,
    admin: SocketAddr,
}

impl Envoy {
    /// Runs `binary` on a bootstrap in JSON or YAML, and returns when its listeners listen.
    ///
    /// # Errors
    /// [`ProcessError::Ended`] with the log's last lines when Envoy refuses the bootstrap,
    /// [`ProcessError::NotReady`] when it takes too long.
    pub fn start(binary: &Path, bootstrap: &str, options: &Options) -> Result<Self, ProcessError> {
        let files = Files::create(bootstrap).map_err(ProcessError::Files)?;
        let mut command = files.command(binary, &options.under).map_err(ProcessError::Files)?;
        command
            .args(["--config-yaml", ADMIN])
            .arg("--admin-address-path")
            .arg(files.admin())
            .args(["--concurrency", &options.concurrency.to_string()])
            .args(["--log-level", &options.log_level])
            .args(["--component-log-level", &format!("wasm:{}", options.filter_log_level)])
            .args(["--file-flush-interval-msec", "50"])
            .args(["--drain-time-s", "1", "--parent-shutdown-time-s", "1"]);
        let started = command.spawn();
        let child = started.map_err(|source| ProcessError::Spawn {
            binary: command.get_program().into(),
            source,
        })?;
        // From here on an error drops, and so kills, the process.
        let mut envoy = Self { child, files, admin: SocketAddr::from(([127, 0, 0, 1], 0)) };
        envoy.wait_until_ready(options.ready_within)?;
        Ok(envoy)
    }

    fn wait_until_ready(&mut self, within: Duration) -> Result<(), ProcessError> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().map_err(ProcessError::Files)? {
                return Err(ProcessError::Ended { status, log: tail(&self.log()) });
            }
            // A partly written address does not parse, and the file is read again.
            if let Some(admin) = fs::read_to_string(self.files.admin())
                .ok()
                .and_then(|text| text.trim().parse().ok())
            {
                self.admin = admin;
                if self.admin("/ready").is_ok() {
                    return Ok(());
                }
            }
            if started.elapsed() >= within {
                return Err(ProcessError::NotReady { waited: within, log: tail(&self.log()) });
            }
            std::thread::sleep(POLL);
        }
    }

    /// The address of the admin interface.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The process's id, for measurements.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The body that the admin interface answers to a GET of `path`, a path with its query such as
    /// `/config_dump?resource=…`.
    ///
    /// # Errors
    /// No answer, or one other than 200.
    pub fn admin(&self, path: &str) -> Result<String, ProcessError> {
        let failed = |error: ureq::Error| ProcessError::Admin {
            path: path.to_owned(),
            message: error.to_string(),
        };
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(10)))
            // A proxy from the environment must not be used for loopback.
            .proxy(None)
            .build()
            .into();
        let mut response =
            agent.get(format!("http://{}{path}", self.admin)).call().map_err(failed)?;
        // The statistics of ten thousand clusters are longer than ureq's limit of 10 MB.
        response.body_mut().with_config().limit(u64::MAX).read_to_string().map_err(failed)
    }

    fn admin_json<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, ProcessError> {
        serde_json::from_str(&self.admin(path)?).map_err(|error| ProcessError::Admin {
            path: path.to_owned(),
            message: format!("unexpected JSON: {error}"),
        })
    }

    /// Where a listener listens: with the port that the system chose, if the bootstrap says port 0.
    ///
    /// # Errors
    /// There is no listener of that name, or the admin interface does not answer.
    pub fn listener(&self, name: &str) -> Result<SocketAddr, ProcessError> {
        let listeners: Listeners = self.admin_json("/listeners?format=json")?;
        let address = |status: &ListenerStatus| {
            let socket = status.local_address.socket_address.as_ref()?;
            Some(SocketAddr::new(socket.address.parse::<IpAddr>().ok()?, socket.port_value))
        };
        listeners
            .listener_statuses
            .iter()
            .find(|status| status.name == name)
            .and_then(address)
            .ok_or_else(|| ProcessError::NoListener {
                name: name.to_owned(),
                found: listeners.listener_statuses.into_iter().map(|status| status.name).collect(),
            })
    }

    /// Every counter by its full name, zeros included. A counter that a filter defines has the
    /// prefix `wasmcustom.`.
    ///
    /// # Errors
    /// The admin interface does not answer.
    pub fn counters(&self) -> Result<BTreeMap<String, u64>, ProcessError> {
        let stats: Stats = self.admin_json("/stats?format=json&type=Counters")?;
        Ok(stats.stats.into_iter().filter_map(|stat| Some((stat.name?, stat.value?))).collect())
    }

    /// What Envoy and its filters have logged so far.
    pub fn log(&self) -> String {
        self.files.read("log")
    }

    /// The lines of the access log so far. A line is written when its request has ended, and
    /// appears 50 ms after at the latest.
    pub fn access_log(&self) -> String {
        self.files.read("access.log")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Validates a bootstrap with Envoy (`--mode validate`), without serving it. Envoy also creates the
/// filter, which checks its configuration (measured on 1.40.0). With `FileEcds` the discovered file
/// is not read.
///
/// # Errors
/// [`ProcessError::Ended`] with the log's last lines when Envoy refuses it.
pub fn validate(binary: &Path, bootstrap: &str) -> Result<(), ProcessError> {
    let files = Files::create(bootstrap).map_err(ProcessError::Files)?;
    let status = files
        .command(binary, &[])
        .map_err(ProcessError::Files)?
        .args(["--mode", "validate"])
        .status()
        .map_err(|source| ProcessError::Spawn { binary: binary.to_owned(), source })?;
    if status.success() {
        Ok(())
    } else {
        Err(ProcessError::Ended { status, log: tail(&files.read("log")) })
    }
}

/// The temporary folder of one process.
#[derive(Debug)]
struct Files(tempfile::TempDir);

impl Files {
    fn create(bootstrap: &str) -> io::Result<Self> {
        let files = Self(tempfile::Builder::new().prefix("envoy-").tempdir()?);
        // Envoy selects the YAML parser by the name. It accepts JSON as well.
        fs::write(files.path("bootstrap.yaml"), bootstrap)?;
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn admin(&self) -> PathBuf {
        self.path("admin-address")
    }

    fn command(&self, binary: &Path, under: &[OsString]) -> io::Result<Command> {
        let mut words = under.iter().map(OsString::as_os_str).chain([binary.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .arg("-c")
            .arg(self.path("bootstrap.yaml"))
            .arg("--disable-hot-restart")
            .stdin(Stdio::null())
            .stdout(File::create(self.path("access.log"))?)
            .stderr(File::create(self.path("log"))?);
        Ok(command)
    }

    fn read(&self, name: &str) -> String {
        // The files were created before the process. A removed file reads as an empty log.
        String::from_utf8_lossy(&fs::read(self.path(name)).unwrap_or_default()).into_owned()
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

#[derive(Deserialize)]
struct Listeners {
    #[serde(default)]
    listener_statuses: Vec<ListenerStatus>,
}

#[derive(Deserialize)]
struct ListenerStatus {
    name: String,
    local_address: ListenerAddress,
}

#[derive(Deserialize)]
struct ListenerAddress {
    socket_address: Option<ListenerSocket>,
}

#[derive(Deserialize)]
struct ListenerSocket {
    address: String,
    port_value: u16,
}

#[derive(Deserialize)]
struct Stats {
    stats: Vec<Stat>,
}

/// Entries without a name or value are no counters.
#[derive(Deserialize)]
struct Stat {
    name: Option<String>,
    value: Option<u64>,
}
