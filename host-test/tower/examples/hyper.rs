//! A hyper server, HTTP/1 and HTTP/2, behind a proxy-wasm filter.
//!
//! `cargo run -p gatepost-host-tower --example hyper [MODULE.wasm CONFIGURATION]`

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use gatepost_host::{Chain, ChainPlugin, Engine, EngineOptions, Host, Module, PluginConfig};
use gatepost_host_tower::{BodyError, ConnectionInfo, Pool, PoolOptions, WasmBody, WasmLayer};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::util::MapRequestLayer;
use tower::{Layer, service_fn};

/// What the filter does when the command line names none.
pub const SCRIPT: &str = "request_headers: add request_headers x-seen yes
response_headers: add response_headers x-filtered yes";

/// The filter's VMs.
pub fn pool(wasm: &[u8], configuration: &str, workers: usize) -> Result<Pool, Box<dyn Error>> {
    let engine = Engine::new(EngineOptions::default())?;
    let module = Module::new(&engine, "filter", wasm)?;
    let configuration = configuration.to_owned().into();
    let chain = Chain::new(vec![ChainPlugin {
        module,
        config: PluginConfig { name: "filter".into(), configuration, ..Default::default() },
    }]);
    Ok(Pool::start(&chain, Host::default(), PoolOptions { workers, ..PoolOptions::default() })?)
}

/// The service behind the filter: answers with what it got.
async fn echo(request: Request<WasmBody<Incoming>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let text = match body.collect().await {
        Ok(body) => {
            let bytes = body.to_bytes().len();
            let host =
                head.headers.get("host").map(|host| String::from_utf8_lossy(host.as_bytes()));
            let seen = head.headers.contains_key("x-seen");
            format!("{} {} host={host:?} seen={seen} {bytes} bytes\n", head.method, head.uri)
        }
        Err(BodyError::Sender(error)) => format!("the client failed: {error}\n"),
        Err(error) => format!("{error}\n"),
    };
    Ok(Response::new(Full::new(text.into())))
}

/// Serves connections until it is dropped.
pub async fn serve(listener: TcpListener, pool: Pool) -> std::io::Result<()> {
    let service = WasmLayer::new(pool).layer(service_fn(echo));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, source) = listener.accept().await?;
        let destination = stream.local_addr().ok();
        // The filter can read where the requests of this connection come from.
        let info =
            ConnectionInfo { source: Some(source), destination, ..ConnectionInfo::default() };
        let connected = move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(info.clone());
            request
        };
        let service =
            TowerToHyperService::new(MapRequestLayer::new(connected).layer(service.clone()));
        connections.spawn(async move {
            if let Err(error) = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await
            {
                eprintln!("{source}: {error}");
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

#[tokio::main]
#[allow(dead_code, reason = "tests run the rest of the file")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let pool = match arguments.next() {
        Some(file) => pool(&std::fs::read(file)?, &arguments.next().unwrap_or_default(), 2)?,
        None => pool(gatepost_guests_wasm::PROBE, SCRIPT, 2)?,
    };
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, pool).await?;
    Ok(())
}
