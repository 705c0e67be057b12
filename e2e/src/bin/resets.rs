//! `just resets MINUTES`: clients that reset their streams before a response comes, on a real
//! Envoy, and what memory Envoy has meanwhile. Their responses would have owed something, so the
//! filter kept it for each of them.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gatepost_e2e::exit_code;
use gatepost_testbed::{GatewayKind, Testbed};
use h2::Reason;
use http::Request;
use tokio::net::TcpStream;

/// Both of a response's debts: the client's host, and a pin beside `Vary`.
const POLICY: &str = r#"{
  "apiVersion": "gatepost/v1",
  "environments": {
    "sources": [{ "query": "env", "pin": { "cookie": "env" } }, { "cookie": "env" }],
    "allow": ["pr-*"]
  },
  "hosts": { "mappings": [{ "host": "*.test", "authority": "written.example" }] }
}"#;

/// The upstream answers long after the client has gone.
const PATH: &str = "/.echo/delay/600000?env=pr-17";

/// How many streams one client has open before it resets them.
const STREAMS: usize = 50;
/// How many clients there are at once.
const CLIENTS: usize = 8;
/// How often the memory is shown.
const SHOWN: Duration = Duration::from_secs(30);
/// By then Envoy has what it keeps in any case: connections, buffers, its allocator's pages.
const SETTLED: Duration = Duration::from_secs(120);
/// How much Envoy's memory may differ between then and the end.
const NOISE: u64 = 4 << 20;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<(), Failure> {
    let minutes: u64 = std::env::args().nth(1).map_or(Ok(10), |minutes| minutes.parse())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(Duration::from_secs(minutes * 60)))
}

async fn measure(length: Duration) -> Result<(), Failure> {
    let kind = GatewayKind::Envoy(gatepost_e2e::envoy()?);
    let testbed = Testbed::start(&kind, POLICY, &[("*", "slow")]).await?;
    let envoy = testbed.envoy().ok_or("the gateway is no Envoy")?.id();
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| tokio::spawn(resets(testbed.address(), number))).collect();
    let began = Instant::now();
    let (mut settled, mut last) = (None, 0);
    while began.elapsed() < length {
        tokio::time::sleep(SHOWN).await;
        last = resident(envoy)?;
        let counters = testbed.counters_so_far()?;
        let reset = counters.get("gatepost.environment.pinned").copied().unwrap_or_default();
        println!(
            "{:>4} s: {reset:>9} streams reset, Envoy has {:.1} MB",
            began.elapsed().as_secs(),
            last as f64 / 1e6
        );
        if began.elapsed() >= SETTLED {
            settled.get_or_insert(last);
        }
    }
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    let settled = settled
        .ok_or_else(|| format!("memory settles after {} s: run longer", SETTLED.as_secs()))?;
    if last > settled + NOISE {
        return Err(format!("memory grew by {} bytes", last - settled).into());
    }
    println!("memory is flat");
    Ok(())
}

/// Opens streams and resets them, on one connection after the other. Envoy closes a connection
/// that does too much of this.
async fn resets(address: SocketAddr, client: usize) {
    for number in 0_u64.. {
        // A failed connection is one that Envoy closed: the next one goes on.
        let _ = reset_all(address, &format!("c{client}-{number}.test")).await;
    }
}

async fn reset_all(address: SocketAddr, host: &str) -> Result<(), Failure> {
    let (client, connection) = h2::client::handshake(TcpStream::connect(address).await?).await?;
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await?;
    let mut open = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let request = Request::get(format!("http://{host}{PATH}")).body(())?;
        client = client.ready().await?;
        open.push(client.send_request(request, false)?);
    }
    // Envoy has read the requests when it answers a later one on the same connection.
    let request = Request::get(format!("http://{host}/")).body(())?;
    client = client.ready().await?;
    let (answer, _) = client.send_request(request, true)?;
    let _ = answer.await?;
    open.iter_mut().for_each(|(_, stream)| stream.send_reset(Reason::CANCEL));
    drop((open, client));
    // The connection ends when nothing refers to it any more.
    let _ = tokio::time::timeout(Duration::from_secs(5), connection).await;
    Ok(())
}

/// The resident memory of a process.
fn resident(process: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.ok_or("no VmRSS")?.parse::<u64>()? * 1024)
}
