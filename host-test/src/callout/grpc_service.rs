//! Where a gRPC call goes: Envoy's `GrpcService` message, or the plain name of a cluster.

use bytes::Bytes;
use prost::Message;

use crate::abi::Status;

/// Where a gRPC call goes: the cluster or target of Envoy's `GrpcService` message.
///
/// ```
/// use gatepost_host::CalloutRequest;
/// # use gatepost_host_fixtures::*;
/// # let (mut vm, stream) = opened("grpc");
/// # let mut headers = request();
/// # let _ = vm.request_headers(stream, &mut headers, true)?;
/// # let callout = vm.take_callouts().remove(0);
///
/// // This guest gives the message `{ envoy_grpc: { cluster_name: "limits" } }`.
/// let CalloutRequest::GrpcCall { service, .. } = callout.request else { panic!("a gRPC call") };
/// assert_eq!(service.target, "limits");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcService {
    /// The cluster (`envoy_grpc.cluster_name`) or target (`google_grpc.target_uri`). If the guest
    /// gave plain text and no `GrpcService` message, the text is the cluster, as in newer versions
    /// of Envoy.
    pub target: String,
    /// The bytes that the guest gave.
    pub raw: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct GrpcServiceMessage {
    #[prost(message, optional, tag = "1")]
    envoy_grpc: Option<Target>,
    #[prost(message, optional, tag = "2")]
    google_grpc: Option<Target>,
}

/// `EnvoyGrpc` and `GoogleGrpc`, of which only the first field is read.
#[derive(Clone, PartialEq, Message)]
struct Target {
    #[prost(string, tag = "1")]
    name: String,
}

impl GrpcService {
    pub(crate) fn parse(raw: Bytes) -> Result<Self, Status> {
        let named = GrpcServiceMessage::decode(raw.clone())
            .ok()
            .and_then(|message| message.envoy_grpc.or(message.google_grpc));
        let target = match named {
            Some(target) => target.name,
            None => std::str::from_utf8(&raw).map_err(|_| Status::ParseFailure)?.to_owned(),
        };
        if target.is_empty() { Err(Status::ParseFailure) } else { Ok(Self { target, raw }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_service_names_a_cluster_a_target_or_is_a_cluster_name() {
        let envoy = GrpcServiceMessage {
            envoy_grpc: Some(Target { name: "auth".into() }),
            google_grpc: None,
        };
        let google = GrpcServiceMessage {
            envoy_grpc: None,
            google_grpc: Some(Target { name: "auth:443".into() }),
        };
        assert_eq!(GrpcService::parse(envoy.encode_to_vec().into()).unwrap().target, "auth");
        assert_eq!(GrpcService::parse(google.encode_to_vec().into()).unwrap().target, "auth:443");
        assert_eq!(GrpcService::parse(Bytes::from_static(b"plain")).unwrap().target, "plain");
        assert_eq!(GrpcService::parse(Bytes::from_static(b"\xff\xff")), Err(Status::ParseFailure));
        assert_eq!(GrpcService::parse(Bytes::new()), Err(Status::ParseFailure));
    }
}
