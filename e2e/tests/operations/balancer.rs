//! A load balancer before the gateway's pods, as Google's are: it asks each pod for its health each
//! second, sends requests to healthy pods alone, and keeps connections open. Before it are clients
//! that never stop. What they got is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;

use crate::world::LISTENER;

/// The time between two questions for a pod's health.
const INTERVAL: Duration = Duration::from_secs(1);

/// A pod that does not answer for so many questions gets no requests: Google's default.
const UNHEALTHY_AFTER: u32 = 2;

/// How many clients there are, and how long each waits between two requests.
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(10);

/// How often it looks which pods there are.
const FOLLOW: Duration = Duration::from_millis(500);

/// A balancer that runs until it is dropped.
pub struct Balancer {
    state: Arc<Mutex<State>>,
    // Dropped, and so ended, with this.
    _runtime: Runtime,
}

/// What it asks pods for their health.
#[derive(Clone, Copy)]
pub struct Check {
    pub port: u16,
    pub path: &'static str,
}

/// Where `kubectl` is, and what it connects to.
pub struct Kubectl {
    pub program: PathBuf,
    pub kubeconfig: PathBuf,
}

struct State {
    check: Check,
    /// The host that clients ask for.
    host: &'static str,
    is_open: bool,
    /// The pods behind it, each with the questions in a row that it did not answer.
    pods: BTreeMap<Ipv4Addr, u32>,
    /// Which of them get requests.
    healthy: BTreeSet<Ipv4Addr>,
    /// How many requests each pod has answered with 200.
    answered: BTreeMap<Ipv4Addr, usize>,
    failed: Vec<String>,
}

impl Balancer {
    pub fn start(kubectl: Kubectl, check: Check, host: &'static str) -> Self {
        let state = Arc::new(Mutex::new(State {
            check,
            host,
            is_open: true,
            pods: BTreeMap::new(),
            healthy: BTreeSet::new(),
            answered: BTreeMap::new(),
            failed: Vec::new(),
        }));
        let runtime = Runtime::new().unwrap();
        runtime.spawn(follow(kubectl, Arc::clone(&state)));
        let client = Client::builder(TokioExecutor::new()).build_http();
        runtime.spawn(ask_for_health(client.clone(), Arc::clone(&state)));
        for number in 0..CLIENTS {
            runtime.spawn(send(client.clone(), Arc::clone(&state), number));
        }
        Self { state, _runtime: runtime }
    }

    /// Asks pods for something else from now on.
    pub fn set_check(&self, check: Check) {
        lock(&self.state).check = check;
    }

    /// Sends all clients away.
    pub fn close(&self) {
        lock(&self.state).is_open = false;
    }

    /// Lets clients ask for another host.
    pub fn set_host(&self, host: &'static str) {
        lock(&self.state).host = host;
    }

    /// The pods that get requests.
    pub fn healthy(&self) -> BTreeSet<Ipv4Addr> {
        lock(&self.state).healthy.clone()
    }

    /// How many requests a pod has answered.
    pub fn answered(&self, pod: Ipv4Addr) -> usize {
        lock(&self.state).answered.get(&pod).copied().unwrap_or_default()
    }

    /// How many requests were answered.
    pub fn total(&self) -> usize {
        lock(&self.state).answered.values().sum()
    }

    /// Every request that got anything but 200.
    pub fn failed(&self) -> Vec<String> {
        lock(&self.state).failed.clone()
    }
}

type HttpClient = Client<HttpConnector, Empty<Bytes>>;

/// The lock is never held while something is awaited. A client that panicked has shown it already.
fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts the gateway's pods behind the balancer, those that end as well, until they are gone.
async fn follow(kubectl: Kubectl, state: Arc<Mutex<State>>) {
    let jsonpath = "jsonpath={.items[*].status.podIP}";
    loop {
        let mut command = Command::new(&kubectl.program);
        command
            .arg("--kubeconfig")
            .arg(&kubectl.kubeconfig)
            .args(["get", "pods", "--all-namespaces", "--selector", "istio=ingressgateway"])
            .args(["--output", jsonpath]);
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let Ok(Ok(output)) = output else { continue };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let addresses: Vec<Ipv4Addr> =
            text.split_whitespace().filter_map(|address| address.parse().ok()).collect();
        if output.status.success() {
            let mut state = lock(&state);
            state.pods.retain(|address, _| addresses.contains(address));
            state.healthy.retain(|address| addresses.contains(address));
            for address in addresses {
                // A pod that is new has not answered yet.
                state.pods.entry(address).or_insert(UNHEALTHY_AFTER);
            }
        }
        tokio::time::sleep(FOLLOW).await;
    }
}

async fn ask_for_health(client: HttpClient, state: Arc<Mutex<State>>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        let (pods, check) = {
            let state = lock(&state);
            (state.pods.keys().copied().collect::<Vec<_>>(), state.check)
        };
        // A pod that does not answer keeps no other one waiting.
        for pod in pods {
            tokio::spawn(ask(client.clone(), Arc::clone(&state), pod, check));
        }
    }
}

async fn ask(client: HttpClient, state: Arc<Mutex<State>>, pod: Ipv4Addr, check: Check) {
    let probe = Request::get(format!("http://{pod}:{}{}", check.port, check.path))
        .header("user-agent", "GoogleHC/1.0")
        .body(Empty::new())
        .unwrap();
    let answer = tokio::time::timeout(INTERVAL, client.request(probe)).await;
    let is_healthy = matches!(answer, Ok(Ok(response)) if response.status() == 200);
    let mut state = lock(&state);
    let Some(missed) = state.pods.get_mut(&pod) else { return };
    *missed = if is_healthy { 0 } else { *missed + 1 };
    let missed = *missed;
    if missed == 0 {
        state.healthy.insert(pod);
    } else if missed >= UNHEALTHY_AFTER {
        state.healthy.remove(&pod);
    }
}

async fn send(client: HttpClient, state: Arc<Mutex<State>>, number: usize) {
    let mut turn = number;
    loop {
        tokio::time::sleep(PAUSE).await;
        turn += 1;
        let (healthy, host) = {
            let state = lock(&state);
            if !state.is_open {
                continue;
            }
            (state.healthy.iter().copied().collect::<Vec<_>>(), state.host)
        };
        // Without a healthy pod a balancer answers 502 itself.
        let Some(pod) = healthy.get(turn % healthy.len().max(1)).copied() else {
            if !lock(&state).answered.is_empty() {
                lock(&state).failed.push("no healthy pod".to_owned());
            }
            continue;
        };
        let request = Request::get(format!("http://{pod}:{LISTENER}/cart"))
            .header("host", host)
            .header("via", "1.1 google")
            .body(Empty::new())
            .unwrap();
        let outcome = match client.request(request).await {
            Ok(response) => {
                let status = response.status();
                response
                    .into_body()
                    .collect()
                    .await
                    .map(|_| status)
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(format!("{error:?}")),
        };
        let mut state = lock(&state);
        match outcome {
            Ok(status) if status == 200 => *state.answered.entry(pod).or_default() += 1,
            Ok(status) => state.failed.push(format!("{pod}: {status}")),
            Err(error) => state.failed.push(format!("{pod}: {error}")),
        }
    }
}
