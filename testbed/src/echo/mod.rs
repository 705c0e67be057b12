//! Echo upstreams on loopback: they answer with what they received, so that a demonstration or a
//! test sees what a gateway sent. HTTP/1.1 and HTTP/2 (prior knowledge) share a port; gRPC requests
//! reach a tonic service, all others the plain echo. They have no limits: never serve anything real
//! from them.

mod greeter;
mod greeter_client;
mod identity;
mod login;
mod plain;
mod received;
mod upstream;

pub use greeter::{HelloReply, HelloRequest};
pub use greeter_client::GreeterClient;
pub use plain::ECHO;
pub use upstream::Upstream;
