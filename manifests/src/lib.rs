//! Kubernetes objects as files hold them: what Gatepost's tools need to know of a cluster that they
//! cannot reach. [`Manifests::read`] reads a folder, a file, or a list as `kubectl get -o yaml`
//! prints it, and keeps the kinds below; all others are passed over.
//!
//! Fields are those of Kubernetes' API, and unknown ones are ignored: what is wrong with an object
//! is for the API server to say.

mod error;
mod ingress;
mod object;
mod read;
mod route;
mod service;

pub use error::ManifestError;
pub use ingress::Ingress;
pub use object::Origin;
pub use read::Manifests;
pub use route::ServedHosts;
pub use service::{Service, ServicePort};
