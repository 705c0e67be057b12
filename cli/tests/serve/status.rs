//! `gatepost status` asks a running gateway: which policy it runs, and when it has another one.

use std::net::SocketAddr;
use std::process::Stdio;

use gatepost_testbed::echo::Upstream;
use gatepost_testbed::refusing_address;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::served::{Folder, Served, policy};

/// The exit code of `gatepost status` for a URL, and what it printed.
async fn status(admin: SocketAddr, arguments: &[&str]) -> (Option<i32>, String) {
    run(&[&["status", &format!("http://{admin}")], arguments].concat(), "").await
}

/// The exit code of the command with this on standard input, and what it printed.
async fn run(arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().expect("it can be started");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).await.expect("it is read");
    drop(stdin);
    let ended = child.wait_with_output().await.expect("it ends");
    let [out, error] = [ended.stdout, ended.stderr].map(|text| String::from_utf8(text).unwrap());
    (ended.status.code(), out + &error)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_is_waited_for_until_it_runs_the_policy() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let (folder, wanted) = (Folder::with("p0"), Folder::with("p1"));
    let (_kept, admin) = refusing_address().unwrap();
    let more = ["--admin", &admin.to_string()];
    let _served = Served::start_with(&folder.policy(), &[("*", upstream.addr())], &more).await;
    let (old, new) = (folder.policy(), wanted.policy());
    let (old, new) = (old.to_str().expect("UTF-8"), new.to_str().expect("UTF-8"));

    let is_there = ["--policy", old, "--wait"];
    let (code, said) = status(admin, &is_there).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with(&format!("http://{admin}/stats/prometheus runs the policy\n")),
        "{said}"
    );
    assert!(said.contains("\n  gatepost enforces "), "{said}");

    let (code, said) = status(admin, &["--policy", new]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("runs another policy"), "{said}");
    let (code, said) = status(admin, &["--policy", new, "--wait", "--timeout", "1s"]).await;
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = status(admin, &["--plugin", "other"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("runs no policy\n  no such plugin is there\n"), "{said}");

    let waiting = tokio::spawn(async move {
        let wanted = wanted.policy();
        let wanted = wanted.to_str().expect("UTF-8").to_owned();
        status(admin, &["--policy", &wanted, "--wait"]).await
    });
    folder.replace(&policy("p1"));
    let (code, said) = waiting.await.expect("it ends");
    assert_eq!(code, Some(0), "{said}");

    let (code, said) = status(admin, &["--format", "json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report["version"], "gatepost.status/v1");
    assert_eq!(report["gateways"][0]["state"], "runs");
    assert_eq!(report["gateways"][0]["plugins"][0]["name"], "gatepost");
}

/// A round that the end of the time cuts short says nothing of gateways that it did not reach.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_whole_answers_are_reported_when_the_time_is_over() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let admin = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.expect("a client");
        let text = "gatepost_policy_gatepost{} 7\n";
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        first.write_all(answer.as_bytes()).await.expect("it is read");
        drop(first);
        // Later clients are never answered.
        std::future::pending::<()>().await;
        drop(listener);
    });
    let folder = Folder::with("p0");
    let policy = folder.policy();
    let policy = policy.to_str().expect("UTF-8");
    let (code, said) = status(admin, &["--policy", policy, "--wait", "--timeout", "2s"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("runs another policy\n  gatepost enforces 7\n"), "{said}");
}

/// A pod as Kubernetes writes it.
fn pod(name: &str, address: Option<&str>, is_ready: bool) -> serde_json::Value {
    json!({
        "kind": "Pod",
        "metadata": { "name": name, "namespace": "edge" },
        "status": {
            "podIP": address,
            "conditions": [{ "type": "Ready", "status": if is_ready { "True" } else { "False" } }],
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pods_of_a_list_are_asked_and_those_that_are_not_ready_are_said_so() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let folder = Folder::with("p0");
    let (_kept, admin) = refusing_address().unwrap();
    let more = ["--admin", &admin.to_string()];
    let _served = Served::start_with(&folder.policy(), &[("*", upstream.addr())], &more).await;
    let policy = folder.policy();
    let policy = policy.to_str().expect("UTF-8");
    let port = admin.port().to_string();
    let asked = ["status", "-", "--port", &port];

    let runs = pod("a", Some("127.0.0.1"), true);
    let list = json!({ "kind": "List", "items": [runs] }).to_string();
    let wait = [&asked[..], &["--policy", policy, "--wait"]].concat();
    let (code, said) = run(&wait, &list).await;
    assert_eq!(code, Some(0), "{said}");

    let starts = [pod("b", Some("127.0.0.1"), false), pod("c", None, false)];
    let items = [&[runs], &starts[..]].concat();
    let (code, said) = run(&asked, &json!({ "kind": "List", "items": items }).to_string()).await;
    assert_eq!(code, Some(1), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("edge/")).collect();
    assert_eq!(lines, ["edge/a runs a policy", "edge/b is not ready", "edge/c is not ready"]);
    assert!(said.contains("\n  the pod has no address\n"), "{said}");
    assert!(said.ends_with("3 gateways: 1 with a policy, 2 without\n"), "{said}");

    // The list is older than what the pod says when it is asked again.
    let list = json!({ "kind": "List", "items": [pod("b", Some("127.0.0.1"), false)] });
    let (code, said) = run(&wait, &list.to_string()).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("edge/b runs the policy\n"), "{said}");

    let (code, said) = run(&asked, r#"{ "kind": "List", "items": [] }"#).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the list has no pods"), "{said}");
    let (code, said) = run(&asked, "apiVersion: v1\n").await;
    assert_eq!(code, Some(2), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_of_an_object_on_standard_input_has_its_fingerprint() {
    let folder = Folder::with("p0");
    let path = folder.policy();
    let (code, of_file) = run(&["fingerprint", path.to_str().expect("UTF-8")], "").await;
    assert_eq!(code, Some(0));
    let number = of_file.split(' ').next().expect("a number");
    let indented = policy("p0").replace('\n', "\n    ");
    let object = format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nspec:\n  pluginConfig:\n    \
         {indented}\n"
    );
    let (code, of_object) = run(&["fingerprint", "-"], &object).await;
    assert_eq!((code, of_object), (Some(0), format!("{number}  standard input\n")));
    let (code, said) = run(&["fingerprint", "-"], "kind: Service\n").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("standard input cannot be used"), "{said}");
}
