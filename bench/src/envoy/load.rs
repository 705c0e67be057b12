//! Load generators: `wrk`, and for tests a loop in this process.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::client::Client;
use super::error::EnvoyError;
use super::workload::Exchange;

/// Connections of one round. With so many Envoy is always busy.
const CONNECTIONS: usize = 16;

/// A load generator.
#[derive(Clone, Debug)]
pub enum Load {
    /// The program `wrk`.
    Wrk(PathBuf),
    /// One connection in this process, one request after the other. It reads every answer whole,
    /// and does not keep Envoy busy.
    OneConnection,
}

/// The result of one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sent {
    /// Requests that were answered.
    pub requests: u64,
    /// Requests in a second, by the generator's clock.
    pub per_second: f64,
    /// Answers outside of 2xx and 3xx.
    pub unsuccessful: u64,
    /// Connections and requests that failed.
    pub errors: u64,
}

/// Requests in the form that a generator needs. They are sent in turn.
#[derive(Debug)]
pub struct Requests {
    texts: Vec<String>,
    script: PathBuf,
}

impl Requests {
    /// Writes the script of `wrk` to a file. `works` says whether the arm carries out the policy.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(exchanges: &[Exchange], works: bool, script: &Path) -> Result<Self, EnvoyError> {
        let texts = exchanges.iter().map(|exchange| exchange.measured(works).0.to_owned());
        Self::of(texts.collect(), script)
    }

    /// Whole requests of HTTP/1.1. Writes the script of `wrk` to a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn of(texts: Vec<String>, script: &Path) -> Result<Self, EnvoyError> {
        std::fs::write(script, wrk_script(&texts))
            .map_err(EnvoyError::system(script.display().to_string()))?;
        Ok(Self { texts, script: script.to_owned() })
    }
}

fn wrk_script(texts: &[String]) -> String {
    let rows: String =
        texts.iter().map(|text| format!("  \"{}\",\n", text.escape_default())).collect();
    format!(
        "local requests = {{\n{rows}}}\nlocal n = 0\n\
         function request()\n  n = n % #requests + 1\n  return requests[n]\nend\n"
    )
}

impl Load {
    /// Finds `wrk` in the search path.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn wrk() -> Result<Self, EnvoyError> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&paths)
            .map(|folder| folder.join("wrk"))
            .find(|path| path.is_file());
        found.map(Self::Wrk).ok_or(EnvoyError::NoWrk)
    }

    /// Sends requests for `time`.
    ///
    /// # Errors
    /// When the generator does not run, or prints nothing that can be read.
    pub fn run(
        &self,
        to: SocketAddr,
        requests: &Requests,
        time: Duration,
    ) -> Result<Sent, EnvoyError> {
        match self {
            Self::Wrk(program) => wrk(program, to, requests, time),
            Self::OneConnection => one_connection(to, requests, time),
        }
    }
}

/// `wrk` takes a duration in whole seconds only. So a signal stops it, and it reports then as it
/// would at the end.
fn wrk(
    program: &Path,
    to: SocketAddr,
    requests: &Requests,
    time: Duration,
) -> Result<Sent, EnvoyError> {
    let failed = || EnvoyError::system("wrk");
    let mut child = Command::new(program)
        .args([
            "--threads",
            "1",
            "--connections",
            &CONNECTIONS.to_string(),
            "--duration",
            "60s",
            "--script",
        ])
        .arg(&requests.script)
        .arg(format!("http://{to}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed())?;
    std::thread::sleep(time);
    let stopped = kill_process(Pid::from_child(&child), Signal::INT);
    let mut said = String::new();
    if let Some(out) = &mut child.stdout {
        out.read_to_string(&mut said).map_err(failed())?;
    }
    child.wait().map_err(failed())?;
    stopped.map_err(|error| failed()(error.into()))?;
    read_wrk(&said).ok_or(EnvoyError::Wrk(said))
}

/// Reads `  12345 requests in 1.00s, 2.00MB read`, `Requests/sec:  12345.67`, and, when there are
/// any, `Socket errors: connect 0, read 0, write 0, timeout 0` and
/// `Non-2xx or 3xx responses: 12345`.
fn read_wrk(said: &str) -> Option<Sent> {
    let after = |mark: &str| said.lines().find_map(|line| line.trim().strip_prefix(mark));
    let requests =
        said.lines().find_map(|line| line.split_once(" requests in "))?.0.trim().parse().ok()?;
    let per_second = after("Requests/sec:")?.trim().parse().ok()?;
    let unsuccessful =
        after("Non-2xx or 3xx responses:").map_or(Some(0), |count| count.trim().parse().ok())?;
    let errors = after("Socket errors:").unwrap_or_default();
    let errors = errors
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|count| count.parse::<u64>().ok())
        .sum();
    Some(Sent { requests, per_second, unsuccessful, errors })
}

fn one_connection(to: SocketAddr, requests: &Requests, time: Duration) -> Result<Sent, EnvoyError> {
    let mut client = Client::connect(to)?;
    let mut sent = Sent { requests: 0, per_second: 0.0, unsuccessful: 0, errors: 0 };
    let started = Instant::now();
    for request in requests.texts.iter().cycle() {
        let answer = client.exchange(request)?;
        sent.requests += 1;
        sent.unsuccessful += u64::from(!(200..400).contains(&answer.status));
        if started.elapsed() >= time {
            break;
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
    let requests = sent.requests as f64;
    sent.per_second = requests / started.elapsed().as_secs_f64();
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 1m test @ http://127.0.0.1:1\n  1 threads and 16 connections\n  \
                        Thread Stats   Avg\n  \
                        20718 requests in 500.35ms, 2.61MB read\n  \
                        Socket errors: connect 1, read 2, write 0, timeout 0\n  \
                        Non-2xx or 3xx responses: 20718\n\
                        Requests/sec:  41407.01\nTransfer/sec:      5.22MB\n";

    #[test]
    fn what_wrk_says_is_read() {
        let sent =
            Sent { requests: 20_718, per_second: 41_407.01, unsuccessful: 20_718, errors: 3 };
        assert_eq!(read_wrk(SAID), Some(sent));
        let quiet: Vec<&str> = SAID
            .lines()
            .filter(|line| !line.contains("errors") && !line.contains("Non-2xx"))
            .collect();
        assert_eq!(read_wrk(&quiet.join("\n")), Some(Sent { unsuccessful: 0, errors: 0, ..sent }));
        assert_eq!(read_wrk("unable to connect to 127.0.0.1:1 Connection refused"), None);
    }

    #[test]
    fn a_script_has_each_request_in_one_line() {
        let script = wrk_script(&["GET / HTTP/1.1\r\nhost: \"a\"\r\n\r\n".to_owned()]);
        assert!(script.contains(r#"  "GET / HTTP/1.1\r\nhost: \"a\"\r\n\r\n","#), "{script}");
    }
}
