//! A client of the greeter. The authority that it asks for is independent of the address that it
//! connects to, as tests of routing need.

use std::net::SocketAddr;

use futures_util::Stream;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::greeter::{CHAT, HelloReply, HelloRequest, SAY_HELLO};

/// A connection to a gateway or to an upstream.
#[derive(Clone, Debug)]
pub struct GreeterClient {
    grpc: Grpc<Channel>,
    metadata: Vec<(AsciiMetadataKey, AsciiMetadataValue)>,
}

impl GreeterClient {
    /// Connects to `address` and asks for `authority` in every request.
    ///
    /// # Errors
    /// When the authority is malformed ([`tonic::Code::InvalidArgument`]), or the connection fails
    /// ([`tonic::Code::Unavailable`]).
    pub async fn connect(address: SocketAddr, authority: &str) -> Result<Self, Status> {
        let origin = format!("http://{authority}").parse().map_err(invalid)?;
        let endpoint =
            Endpoint::from_shared(format!("http://{address}")).map_err(invalid)?.origin(origin);
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| Status::unavailable(format!("{error}: {address}")))?;
        Ok(Self { grpc: Grpc::new(channel), metadata: Vec::new() })
    }

    /// Adds a header to every request from now on. A value may have bytes that are not UTF-8; the
    /// same name may come twice.
    ///
    /// # Errors
    /// When the name or the value cannot be in a header ([`tonic::Code::InvalidArgument`]).
    pub fn with_metadata(mut self, name: &str, value: &[u8]) -> Result<Self, Status> {
        let name = AsciiMetadataKey::from_bytes(name.as_bytes()).map_err(invalid)?;
        let value = AsciiMetadataValue::try_from(value).map_err(invalid)?;
        self.metadata.push((name, value));
        Ok(self)
    }

    /// Asks for one greeting.
    ///
    /// # Errors
    /// The status that the server or a gateway answered with.
    pub async fn say_hello(&mut self, name: &str) -> Result<HelloReply, Status> {
        Ok(self.call(SAY_HELLO, name).await?.into_inner())
    }

    /// Asks for one greeting by another method, such as `/echo.EchoService/Call`: an echo upstream
    /// answers every method with a greeting. The headers of the response are beside it.
    ///
    /// # Errors
    /// A malformed path ([`tonic::Code::InvalidArgument`]), or the status that the server or a
    /// gateway answered with.
    pub async fn call(&mut self, path: &str, name: &str) -> Result<Response<HelloReply>, Status> {
        self.ready().await?;
        let path = path.parse::<PathAndQuery>().map_err(invalid)?;
        let request = self.request(HelloRequest { name: name.to_owned() });
        self.grpc.unary(request, path, codec()).await
    }

    /// Asks for a greeting for each message of a stream.
    ///
    /// # Errors
    /// The status that the server or a gateway answered with.
    pub async fn chat(
        &mut self,
        messages: impl Stream<Item = HelloRequest> + Send + 'static,
    ) -> Result<Streaming<HelloReply>, Status> {
        self.ready().await?;
        let request = self.request(messages);
        let response =
            self.grpc.streaming(request, PathAndQuery::from_static(CHAT), codec()).await?;
        Ok(response.into_inner())
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.metadata {
            request.metadata_mut().append(name.clone(), value.clone());
        }
        request
    }
}

fn codec() -> ProstCodec<HelloRequest, HelloReply> {
    ProstCodec::default()
}

fn invalid(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(error.to_string())
}
