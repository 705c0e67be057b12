//! An axum router behind a proxy-wasm filter.
//!
//! `cargo run -p gatepost-host-tower --example axum [MODULE.wasm CONFIGURATION]`

use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use axum::routing::get;
use gatepost_host::{Chain, ChainPlugin, Engine, EngineOptions, Host, Module, PluginConfig};
use gatepost_host_tower::{ConnectionInfo, Pool, PoolOptions, WasmLayer};
use tower::Layer;
use tower::util::MapRequestLayer;

/// What the filter does when the command line names none.
pub const SCRIPT: &str = "request_headers: add request_headers x-user nobody
request_headers: replace request_headers :path /hello
response_headers: add response_headers x-filtered yes";

/// The filter's VMs, one for each processor.
pub fn pool(wasm: &[u8], configuration: String) -> Result<Pool, Box<dyn Error>> {
    let engine = Engine::new(EngineOptions::default())?;
    let module = Module::new(&engine, "filter", wasm)?;
    let config = PluginConfig {
        name: "filter".into(),
        configuration: configuration.into(),
        ..PluginConfig::default()
    };
    let chain = Chain::new(vec![ChainPlugin { module, config }]);
    Ok(Pool::start(&chain, Host::default(), PoolOptions::default())?)
}

/// The routes behind the filter.
pub fn app(pool: Pool) -> Router {
    let hello = |headers: HeaderMap| async move {
        format!("hello, {}\n", headers["x-user"].to_str().unwrap_or("?"))
    };
    let routes = Router::new().route("/hello", get(hello));
    // Router::layer would run the filter after the route is chosen. In front of the router, the
    // filter can change the route.
    Router::new()
        .fallback_service(WasmLayer::new(pool).layer(routes))
        .layer(MapRequestLayer::new(with_connection))
}

/// Shows the filter where the request came from.
fn with_connection(mut request: Request) -> Request {
    let source = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    request.extensions_mut().insert(ConnectionInfo { source, ..ConnectionInfo::default() });
    request
}

#[tokio::main]
#[allow(dead_code, reason = "tests run the rest of the file")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let pool = match arguments.next() {
        Some(file) => pool(&std::fs::read(file)?, arguments.next().unwrap_or_default())?,
        None => pool(gatepost_guests_wasm::PROBE, SCRIPT.to_owned())?,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(pool).into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
