//! curl as a client of a gateway: it follows redirects by itself, keeps cookies by the rules of
//! browsers, and knows no other name than those that a test gives it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// What came of a request.
#[derive(Debug)]
pub struct Fetched {
    /// curl's exit code: 0, or why it has no answer. 6 is a name that it cannot resolve.
    pub exit: i32,
    /// The status of the last answer.
    pub status: u16,
    /// The URL of the last answer.
    pub url: String,
    /// The body of the last answer.
    pub body: String,
    /// What curl says of each step.
    pub log: String,
}

/// The exit code of a curl that cannot resolve a name.
pub const UNRESOLVED: i32 = 6;

/// Fetches a URL and follows its redirects, with the cookies in the file `jar`. Each of `names` is
/// a host with its address; more options are `options`.
///
/// # Panics
/// When curl does not run.
#[must_use]
pub fn follow(url: &str, jar: &Path, names: &[(&str, SocketAddr)], options: &[&str]) -> Fetched {
    let mut curl = Command::new("curl");
    // Not even a proxy of the environment.
    curl.args(["--silent", "--verbose", "--location", "--max-time", "60", "--noproxy", "*"]);
    for (host, address) in names {
        curl.args(["--resolve", &format!("{host}:{}:{}", address.port(), address.ip())]);
    }
    let output = curl
        .arg("--cookie")
        .arg(jar)
        .arg("--cookie-jar")
        .arg(jar)
        .args(["--write-out", "\n%{http_code} %{url_effective}"])
        .args(options)
        .arg(url)
        .output()
        .expect("curl runs: apt-get install curl");
    let text = String::from_utf8_lossy(&output.stdout);
    let (body, end) = text.rsplit_once('\n').expect("what `--write-out` says");
    let (status, url) = end.split_once(' ').expect("a status and a URL");
    Fetched {
        exit: output.status.code().expect("curl ends by itself"),
        status: status.parse().expect("a status"),
        url: url.to_owned(),
        body: body.to_owned(),
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
