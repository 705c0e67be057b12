//! Routes for what a policy writes: a gateway that runs a policy needs one for each authority that
//! a decision can give a request.
//!
//! - Health checks go to the agent of *the pod that was probed*, on its own 127.0.0.1. A Service
//!   would answer for any pod. So this check fails when the pod drains, and when its filter has
//!   refused its policy, which Istio's own check on port 15021 does not see.
//! - Environments get a route by host for each name of the list. For names that nobody lists there
//!   is one virtual host whose route takes the cluster from a hint header.
//! - Mapped hosts go to the services that a file or the cluster's manifests name.
//!
//! ```
//! use gatepost_engine::compile_json;
//! use gatepost_render::routes::{Api, Backends, GatewayName, Routes};
//!
//! let policy = compile_json(br#"{
//!   "apiVersion": "gatepost/v1",
//!   "hosts": { "mappings": [
//!     { "host": "shop.test", "authority": "shop.default.svc.cluster.local" }
//!   ] }
//! }"#).expect("no errors");
//! let rendered = Routes {
//!     results: &policy.results(),
//!     gateway: Some(&GatewayName::in_namespace("istio-system", "public")),
//!     namespace: "istio-system",
//!     api: Api::Istio,
//!     ports: &[8080, 8443],
//!     selector: &[("istio", "ingressgateway")],
//!     backends: &Backends::default(),
//! }
//! .render()?;
//! assert!(rendered.text.contains("kind: VirtualService"));
//! # Ok::<(), gatepost_render::RenderError>(())
//! ```

mod backend;
mod backends;
mod cluster_header;
mod environments;
mod gateway;
mod health;
mod host_route;
mod mapped;
mod services_file;

#[cfg(test)]
mod tests;

use gatepost_engine::Results;

use crate::{RenderError, Rendered, join, size};

pub use backend::{Backend, Protocol};
pub use backends::Backends;
pub use gateway::{Api, GatewayName};
pub use services_file::{ServicesFile, ServicesFileError};

/// What routes are needed for, and where they go.
#[derive(Clone, Debug)]
pub struct Routes<'a> {
    /// What the policy writes.
    pub results: &'a Results,
    /// The gateway that the policy runs in; without one a placeholder.
    pub gateway: Option<&'a GatewayName>,
    /// The namespace of the gateway's pods.
    pub namespace: &'a str,
    /// The kinds of routes.
    pub api: Api,
    /// The ports of the listeners.
    pub ports: &'a [u16],
    /// Labels of the gateway's pods.
    pub selector: &'a [(&'a str, &'a str)],
    /// What answers the authorities.
    pub backends: &'a Backends,
}

/// The documents so far, and what is to be done about them.
#[derive(Default)]
struct Output {
    documents: Vec<String>,
    notes: Vec<String>,
}

impl Routes<'_> {
    /// The routes as YAML documents.
    ///
    /// # Errors
    /// When a document cannot be written, or is too large for a cluster.
    pub fn render(&self) -> Result<Rendered, RenderError> {
        let mut output = Output::default();
        self.health(&mut output)?;
        self.environments(&mut output)?;
        self.mapped(&mut output)?;
        if self.gateway.is_none() && !output.documents.is_empty() {
            output.notes.insert(
                0,
                "the routes have a placeholder where their gateway belongs, and no API server \
                 takes them: give --gateway NAMESPACE/NAME"
                    .to_owned(),
            );
        }
        if output.documents.is_empty() && output.notes.is_empty() {
            output.notes.push("the policy writes no authority, so it needs no route".to_owned());
        }
        for document in &output.documents {
            size::check("object", document.len())?;
        }
        Ok(Rendered { text: join(&output.documents), notes: output.notes })
    }
}
