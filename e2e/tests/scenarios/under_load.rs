//! A real Envoy under full load while its policy is replaced four times a second over ECDS, by a
//! bad one every tenth time: no request fails, none is decided by a mixture of two policies, and
//! memory stays flat.
//!
//! It takes 15 seconds, or as many as the variable `GATEPOST_LOAD_SECONDS` says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gatepost_testbed::client::{Client, get};
use http::Version;

use crate::answer::Answer;
use crate::pair::json;
use crate::reload::{BAD, Watching, eventually};

const SECONDS: &str = "GATEPOST_LOAD_SECONDS";
const EVERY: Duration = Duration::from_millis(250);
/// How many requests are in flight.
const CLIENTS: usize = 8;

/// A policy that writes its number into three places.
fn numbered(number: u64) -> String {
    let env = format!("env{number}");
    let hints = r#"headers: { x-first: "{env}", x-second: "{env}" }, authority: "{env}.example""#;
    json(&format!(
        "apiVersion: gatepost/v1\nenvironments: {{ default: {env}, hints: {{ {hints} }} }}\n"
    ))
}

/// Sends one request after the other over one connection until `stop` is set. One whole policy must
/// have decided each.
async fn client(address: SocketAddr, stop: Arc<AtomicBool>, served: Arc<AtomicU64>) {
    let mut client = Client::connect(Version::HTTP_11, address).await;
    while !stop.load(Ordering::Relaxed) {
        let response = client.send(get("http://shop.example/", &[])).await.expect("an answer");
        let answer = Answer::read(response).await.expect("a whole body");
        assert_eq!(answer.status, 200, "{answer:?}");
        let (first, second) = (answer.received("x-first"), answer.received("x-second"));
        assert!(first.len() == 1 && first == second, "{first:?} {second:?}");
        assert_eq!(answer.authority(), format!("{}.example", first[0]));
        served.fetch_add(1, Ordering::Relaxed);
    }
}

/// A process' resident memory in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_are_replaced_under_full_load_and_no_request_fails_or_sees_a_mixture() {
    let seconds =
        std::env::var(SECONDS).map_or(15, |text| text.parse().expect("seconds as a number"));
    let watching = Watching::start(&numbered(0)).await;
    let (envoy, address) = (&watching.envoy, watching.address());
    let counter = |name: &str| envoy.counters().expect("counters").get(name).copied().unwrap_or(0);

    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(client(address, stop.clone(), served.clone()))).collect();
    let reloads = u64::max(20, seconds * 4);
    let mut settled = 0;
    for number in 1..=reloads {
        match number % 10 {
            0 => watching.swap(BAD, &number.to_string()),
            _ => watching.swap(&numbered(number), &number.to_string()),
        }
        tokio::time::sleep(EVERY).await;
        assert!(
            clients.iter().all(|client| !client.is_finished()),
            "a client failed; its message is below"
        );
        if number == reloads / 3 {
            settled = resident(envoy.id());
        }
    }
    let last = reloads + u64::from(reloads % 10 == 9) + 1;
    watching.swap(&numbered(last), &last.to_string());
    let refused = "extension_config_discovery.http_filter.gatepost.config_fail";
    let accepted = "extension_config_discovery.http_filter.gatepost.config_reload";
    eventually("the last policy is read", || async {
        counter(accepted) + counter(refused) > reloads / 2
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no request failed");
    }
    let end = resident(envoy.id());
    println!(
        "{} requests in {seconds} s, {} policies accepted, {} refused, \
         resident {settled} KiB after a third and {end} KiB at the end",
        served.load(Ordering::Relaxed),
        counter(accepted),
        counter(refused),
    );
    assert!(
        served.load(Ordering::Relaxed) > 0 && counter(refused) > 0,
        "there were requests, and refusals among the policies"
    );
    // V8 collects garbage at times of its own. Policies that were not freed would add up to more
    // than this.
    assert!(end < settled + settled / 4 + 16 * 1024, "memory grew from {settled} to {end} KiB");
}
