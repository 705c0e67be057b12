//! Kubernetes objects as files hold them, and what is wrong with them: what Gatepost's tools need
//! to know of a cluster that they cannot reach. [`Manifests::read`] reads a folder, a file, or a
//! list as `kubectl get -o yaml` prints it. [`judge`] tells what a policy and the objects around it
//! will not do together.
//!
//! Fields are those of Kubernetes' API, and unknown ones are ignored: what is wrong with an object
//! by itself is for the API server to say.

mod backend;
mod binding;
mod cluster;
mod envoy_filter;
mod error;
mod field;
mod finding;
mod findings;
mod gateway;
mod hosts;
mod ingress;
mod object;
mod plugin;
mod pods;
mod policy;
mod probe;
mod read;
mod route;
mod server;
mod service;
mod topology;

pub use error::ManifestError;
pub use findings::{judge, judge_object};
pub use ingress::Ingress;
pub use object::{Object, Origin};
pub use read::Manifests;
pub use route::ServedHosts;
pub use service::{Service, ServicePort};
