//! Callouts: the HTTP and gRPC calls that guests start. A VM hands out their requests and takes
//! their answers; its driver sends the requests and applies the timeouts.

mod answer;
mod clusters;
mod grpc_service;
mod open;
mod request;

pub use self::answer::CalloutAnswer;
pub(crate) use self::answer::{PROTOCOL_ERROR, reset_text};
pub use self::clusters::Clusters;
pub use self::grpc_service::GrpcService;
pub(crate) use self::open::{CalloutStatus, Callouts, Delivery};
pub use self::request::{CalloutKind, CalloutRequest, CalloutToken, VmCallout};
