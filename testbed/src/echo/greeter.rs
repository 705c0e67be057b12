//! The gRPC service `gatepost.demo.v1.Greeter`: the scenario's greeting, once or for each message
//! of a stream. Its messages are declared here and not in a .proto file, so that the build does not
//! need protoc.
//!
//! ```proto
//! service Greeter {
//!   rpc SayHello(HelloRequest) returns (HelloReply);
//!   rpc Chat(stream HelloRequest) returns (stream HelloReply);
//! }
//! ```

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use gatepost_gateway::escaped;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::server::Grpc;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::identity::{Body, Identity};
use super::received;

pub(super) const SAY_HELLO: &str = "/gatepost.demo.v1.Greeter/SayHello";
pub(super) const CHAT: &str = "/gatepost.demo.v1.Greeter/Chat";

/// A request for a greeting.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HelloRequest {
    /// Any text; the reply is the same for every name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// The greeting, and the upstream that sent it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HelloReply {
    /// `Hello World! ServerEnv:<env of the upstream>, ClientEnv:<the request's env header>`. Either
    /// may be empty.
    #[prost(string, tag = "1")]
    pub message: String,
    /// The upstream's name.
    #[prost(string, tag = "2")]
    pub upstream: String,
    /// The request's head as the upstream received it: the plain echo's JSON without a body.
    #[prost(string, tag = "3")]
    pub received_json: String,
}

type Replies = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

pub(super) async fn answer(
    identity: Arc<Identity>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let reply = reply(&identity, &parts);
    let path = parts.uri.path().to_owned();
    let given = identity.given();
    let request = Request::from_parts(parts, body);
    let mut grpc = Grpc::new(ProstCodec::<HelloReply, HelloRequest>::default());
    let mut response = match path.as_str() {
        CHAT => {
            let chat = move |request: tonic::Request<Streaming<HelloRequest>>| {
                let reply = reply.clone();
                async move {
                    let replies =
                        request.into_inner().map(move |message| message.map(|_| reply.clone()));
                    Ok::<_, Status>(tonic::Response::new(Box::pin(replies) as Replies))
                }
            };
            grpc.streaming(service_fn(chat), request).await
        }
        // Every other method greets too, so that a scenario can call the method of its own service.
        _ => {
            let greet = move |_: tonic::Request<HelloRequest>| {
                let reply = reply.clone();
                async move { Ok::<_, Status>(tonic::Response::new(reply)) }
            };
            grpc.unary(service_fn(greet), request).await
        }
    };
    // A gRPC response has its own status and content type.
    if let Some(given) = given {
        let given = given.headers().iter().filter(|(name, _)| *name != CONTENT_TYPE);
        for (name, value) in given {
            response.headers_mut().append(name, value.clone());
        }
    }
    Ok(response)
}

fn reply(identity: &Identity, parts: &http::request::Parts) -> HelloReply {
    let client_env =
        parts.headers.get("env").map(|value| escaped(value.as_bytes())).unwrap_or_default();
    HelloReply {
        message: format!("Hello World! ServerEnv:{}, ClientEnv:{client_env}", identity.env),
        upstream: identity.name.clone(),
        received_json: received::head(&identity.name, parts).to_string(),
    }
}
