//! Exchanges that are abandoned at any point: nothing of them is left.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use gatepost_host::{
    Chain, ChainOptions, ChainPlugin, Engine, EngineOptions, Host, Module, PluginConfig,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};

use crate::{CalloutBody, ClusterServices, Pool, PoolOptions, WasmBody, WasmLayer};

/// Resumes some requests at a tick and some at a callout's answer, and leaves others paused: both
/// act on the stream that was opened last.
const SCRIPT: &str = "configure: tick 1
    tick: effective stream
    tick: continue request
    tick: continue response
    request_headers: call echo 3 \"\" :method GET :path / :authority a
    request_headers: answer 4
    http_call_response: effective stream
    http_call_response: continue request
    request_body.more: pause
    response_headers: answer 4
    response_body.more: answer 2";

fn pool() -> Pool {
    let module = Module::new(
        &Engine::new(EngineOptions::default()).unwrap(),
        "probe",
        gatepost_guests_wasm::PROBE,
    )
    .unwrap();
    let config = PluginConfig { configuration: SCRIPT.into(), ..PluginConfig::default() };
    let chain = Chain::with_options(
        vec![ChainPlugin { module, config }],
        ChainOptions { buffer_bytes: 100, ..ChainOptions::default() },
    );
    let answer = |_: Request<CalloutBody>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    };
    let callouts = std::sync::Arc::new(ClusterServices::new().with("echo", service_fn(answer)));
    Pool::start(
        &chain,
        Host::default(),
        PoolOptions { workers: 2, callouts, seed: Some(1), ..PoolOptions::default() },
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exchanges_that_are_given_up_anywhere_leave_nothing_behind() {
    let pool = pool();
    // Hands the request's body back as the response's, so that both are on their way at once.
    let echo = |request: Request<WasmBody<Full<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    };
    let service = WasmLayer::new(pool.clone()).layer(service_fn(echo));
    let send = |number: u64, time: Duration| {
        let service = service.clone();
        async move {
            // Some bodies fit, some are too large to be held.
            let body = Full::from(vec![b'x'; usize::try_from(number % 150).unwrap()]);
            let request = Request::post("/").header("host", "a").body(body).unwrap();
            let whole = async {
                service.oneshot(request).await.unwrap().into_body().collect().await.is_ok()
            };
            tokio::time::timeout(time, whole).await.unwrap_or(false)
        }
    };
    let calls: Vec<_> = (0..400)
        .map(|number| tokio::spawn(send(number, Duration::from_millis(number % 40))))
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    // The next one is the last that was opened, so it is resumed each time.
    assert!(send(0, Duration::from_secs(30)).await, "the next one goes through");
    assert_eq!(pool.open_exchanges(), 0);
    assert!(pool.workers().iter().all(|worker| worker.lock().entries.is_empty()));
}
