//! A policy that changes between a request and its response: what was copied at the request
//! decides.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use gatepost_testbed::client::{VERSIONS, get, soon};
use http::{Request, Response, Version};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::answer::{Answer, send};
use crate::reload::eventually;
use crate::replaceable::Replaceable;

const RESTORING: &str = "
apiVersion: gatepost/v1
environments: { sources: [{ header: env }], allow: [env1] }
hosts: { mappings: [{ host: shop.test, authority: shop.default.example }] }
";
const KEEPING: &str = "
apiVersion: gatepost/v1
environments: { sources: [{ header: env }], allow: [env1], vary: keep }
hosts: { mappings: [{ host: shop.test, authority: other.example }], responses: keep }
";

const WRITTEN: &str = "http://shop.default.example/login";
const RESTORED: &str = "http://shop.test/login";

/// An upstream that redirects to [`WRITTEN`]: at once, or, for `/held`, when a test lets it.
struct Holding {
    address: SocketAddr,
    arrived: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Holding {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let semaphore = || Arc::new(Semaphore::new(0));
        let holding = Self { address, arrived: semaphore(), released: semaphore() };
        let (arrived, released) = (holding.arrived.clone(), holding.released.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (arrived, released) = (arrived.clone(), released.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        redirect(request, arrived.clone(), released.clone())
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    // The gateway ends its connections in its own way.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        holding
    }
}

async fn redirect(
    request: Request<Incoming>,
    arrived: Arc<Semaphore>,
    released: Arc<Semaphore>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    if request.uri().path() == "/held" {
        arrived.add_permits(1);
        released.acquire().await.expect("open").forget();
    }
    let response = Response::builder().status(302).header("location", WRITTEN);
    Ok(response.body(Empty::new()).expect("a response"))
}

/// What of an answer the policies differ in.
fn owed(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("location"), answer.header("vary"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_of_the_request_decides_what_its_response_becomes() {
    let (restored, kept) = ((Some(RESTORED), Some("env")), (Some(WRITTEN), None));
    for (before, held, after, next) in
        [(RESTORING, restored, KEEPING, kept), (KEEPING, kept, RESTORING, restored)]
    {
        let upstream = Holding::start().await;
        for (gateway, running) in Replaceable::both(before, upstream.address).await {
            let address = running.address();
            for version in VERSIONS {
                running.replace(before);
                let ask = |path: &str| send(version, address, get(&uri(path), &[]));
                eventually("the first policy is in force", || async {
                    owed(&ask("/now").await) == held
                })
                .await;
                let waiting = tokio::spawn(ask("/held"));
                soon(upstream.arrived.acquire()).await.expect("open").forget();
                running.replace(after);
                eventually("the second policy is in force", || async {
                    owed(&ask("/now").await) == next
                })
                .await;
                upstream.released.add_permits(1);
                let answer = soon(waiting).await.expect("an answer");
                assert_eq!(owed(&answer), held, "{gateway} {version:?}");
            }
        }
    }
}

fn uri(path: &str) -> String {
    format!("http://shop.test{path}")
}

/// A policy that is replaced many times leaves nothing behind that a later response could take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_began_three_policies_ago_gets_what_its_own_owes() {
    let upstream = Holding::start().await;
    for (gateway, running) in Replaceable::both(RESTORING, upstream.address).await {
        let address = running.address();
        let ask = |path: &str| send(Version::HTTP_2, address, get(&uri(path), &[]));
        let waiting = tokio::spawn(ask("/held"));
        soon(upstream.arrived.acquire()).await.expect("open").forget();
        for (policy, location) in [(KEEPING, WRITTEN), (RESTORING, RESTORED), (KEEPING, WRITTEN)] {
            running.replace(policy);
            eventually("the policy is in force", || async {
                ask("/now").await.header("location") == Some(location)
            })
            .await;
        }
        upstream.released.add_permits(1);
        let answer = soon(waiting).await.expect("an answer");
        assert_eq!(owed(&answer), (Some(RESTORED), Some("env")), "{gateway}");
    }
}
