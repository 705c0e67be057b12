//! Logs that cannot be written, or that nobody reads: requests, reloads and the end of the process
//! do not depend on them.

use std::process::Stdio;

use gatepost_testbed::client::{Client, echo, get, received, soon};
use gatepost_testbed::echo::Upstream;
use gatepost_testbed::refusing_address;
use http::Version;

use crate::served::{Folder, Served, policy, serve};

/// Where the two logs go.
#[derive(Clone, Copy, Debug)]
enum Output {
    /// A disk that is full.
    Full,
    /// A pipe whose reader is gone.
    Gone,
    /// A pipe whose reader does not read.
    Stalled,
    /// Closed before the process began.
    Closed,
}

/// Runs it by a shell, which opens or closes the outputs.
async fn start(folder: &Folder, upstream: &Upstream, output: Output) -> Served {
    let (_kept, address) = refusing_address().unwrap();
    let command = serve(&folder.policy(), &address.to_string(), &[("*", upstream.addr())]);
    let command = command.as_std();
    let redirected = match output {
        Output::Full => "exec \"$@\" > /dev/full 2> /dev/full",
        Output::Closed => "exec \"$@\" >&- 2>&-",
        Output::Gone | Output::Stalled => "exec \"$@\"",
    };
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", redirected, "sh"]).arg(command.get_program()).args(command.get_args());
    shell.arg("--access-log");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = shell.spawn().unwrap();
    if let Output::Gone = output {
        drop((child.stdout.take(), child.stderr.take()));
    }
    Served::unread(child, address).await
}

#[tokio::test]
async fn a_log_that_cannot_be_written_or_read_touches_no_request_no_reload_and_no_end() {
    let upstream = Upstream::start("u", None).await.unwrap();
    for output in [Output::Full, Output::Gone, Output::Stalled, Output::Closed] {
        let folder = Folder::with("old");
        let mut served = start(&folder, &upstream, output).await;
        let mut client = Client::connect(Version::HTTP_11, served.address).await;
        let mut asked = async || {
            // A long path fills the pipe of a reader that stalls.
            let path = format!("http://a/{}", "x".repeat(1000));
            let response = client.send(get(&path, &[])).await.unwrap();
            assert_eq!(response.status(), 200, "{output:?}");
            received(&echo(response).await, "x-policy").concat()
        };
        for _ in 0..300 {
            assert_eq!(asked().await, "old", "{output:?}");
        }
        // Its findings go to the log, too.
        folder.replace(&format!("apiVersion: gatepost/v1\n{}", "nothing: 1\n".repeat(2000)));
        folder.replace(&policy("new"));
        soon(async { while asked().await != "new" {} }).await;
        served.signal("TERM");
        drop(client);
        assert_eq!(served.ends().await.code(), Some(0), "{output:?}");
    }
}

#[tokio::test]
async fn a_policy_that_is_refused_at_the_start_ends_it_whatever_its_log_is() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let folder = Folder::with("p");
    folder.write("apiVersion: gatepost/v1\nhosts:\n  maping: []\n");
    let command = serve(&folder.policy(), "127.0.0.1:0", &[("*", upstream.addr())]);
    let command = command.as_std();
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", "exec \"$@\" > /dev/full 2> /dev/full", "sh"]);
    shell.arg(command.get_program()).args(command.get_args()).kill_on_drop(true);
    let status = soon(shell.status()).await.unwrap();
    assert_eq!(status.code(), Some(1));
}
