//! A tonic gRPC service behind a proxy-wasm filter. The service is written by hand, so that the
//! example needs no protoc; one that tonic generates is added in the same way.
//!
//! `cargo run -p gatepost-host-tower --example tonic [MODULE.wasm CONFIGURATION]`

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use gatepost_host::{Chain, ChainPlugin, Engine, EngineOptions, Host, Module, PluginConfig};
use gatepost_host_tower::{Pool, PoolOptions, WasmLayer};
use http::{Request, Response};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::transport::server::TcpIncoming;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// What the filter does when the command line names none.
pub const SCRIPT: &str = "request_headers: add request_headers x-user nobody
response_headers: add response_headers x-filtered yes";

/// A name, or a greeting.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Text {
    /// The text.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// `example.Greeter`: `Hello` greets one, `Chat` greets each of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "example.Greeter";
}

type Greetings = Pin<Box<dyn Stream<Item = Result<Text, Status>> + Send>>;

impl Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Text, Text>::default());
            Ok(match request.uri().path() {
                "/example.Greeter/Hello" => {
                    let hello = |request: tonic::Request<Text>| async move {
                        let user = request
                            .metadata()
                            .get("x-user")
                            .and_then(|user| user.to_str().ok())
                            .unwrap_or("?")
                            .to_owned();
                        let name = request.into_inner().text;
                        Ok::<_, Status>(tonic::Response::new(Text {
                            text: format!("hello {name}, says {user}"),
                        }))
                    };
                    grpc.unary(service_fn(hello), request).await
                }
                "/example.Greeter/Chat" => {
                    let chat = |request: tonic::Request<Streaming<Text>>| async move {
                        let greet = |name: Result<Text, Status>| {
                            name.map(|name| Text { text: format!("hello {}", name.text) })
                        };
                        let greetings: Greetings = Box::pin(request.into_inner().map(greet));
                        Ok::<_, Status>(tonic::Response::new(greetings))
                    };
                    grpc.streaming(service_fn(chat), request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// The filter's VMs.
pub fn pool(wasm: &[u8], configuration: &str) -> Result<Pool, Box<dyn Error>> {
    let engine = Engine::new(EngineOptions::default())?;
    let module = Module::new(&engine, "filter", wasm)?;
    let configuration = configuration.to_owned().into();
    let chain = Chain::new(vec![ChainPlugin {
        module,
        config: PluginConfig { name: "filter".into(), configuration, ..Default::default() },
    }]);
    Ok(Pool::start(&chain, Host::default(), PoolOptions::default())?)
}

/// Serves connections, with the filter in front of all services.
pub async fn serve(listener: TcpListener, pool: Pool) -> Result<(), tonic::transport::Error> {
    let server =
        tonic::transport::Server::builder().layer(WasmLayer::new(pool)).add_service(Greeter);
    server.serve_with_incoming(TcpIncoming::from(listener)).await
}

#[tokio::main]
#[allow(dead_code, reason = "tests run the rest of the file")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let pool = match arguments.next() {
        Some(file) => pool(&std::fs::read(file)?, &arguments.next().unwrap_or_default())?,
        None => pool(gatepost_guests_wasm::PROBE, SCRIPT)?,
    };
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, pool).await?;
    Ok(())
}
