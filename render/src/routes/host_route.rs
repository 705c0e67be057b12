//! A route for one host, in the kinds of either API.

use serde::Serialize;

use super::backend::{Backend, Protocol};
use super::gateway::{Api, GatewayName};
use super::{Output, Routes};
use crate::RenderError;
use crate::object::{Metadata, Object};
use crate::yaml::document;

/// `istio.networking.v1.VirtualService`.
#[derive(Serialize)]
pub(super) struct VirtualService {
    pub hosts: Vec<String>,
    pub gateways: [String; 1],
    pub http: Vec<HttpRoute>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpRoute {
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<[HttpMatch; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<HttpRewrite>,
    pub route: [RouteDestination; 1],
}

#[derive(Serialize)]
pub(super) struct HttpMatch {
    pub uri: StringMatch,
}

#[derive(Serialize)]
pub(super) struct StringMatch {
    pub exact: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpRewrite {
    pub uri_regex_rewrite: RegexRewrite,
}

#[derive(Serialize)]
pub(super) struct RegexRewrite {
    #[serde(rename = "match")]
    pub matching: &'static str,
    pub rewrite: &'static str,
}

#[derive(Serialize)]
pub(super) struct RouteDestination {
    pub destination: Destination,
}

#[derive(Serialize)]
pub(super) struct Destination {
    pub host: String,
    pub port: PortSelector,
}

#[derive(Serialize)]
pub(super) struct PortSelector {
    pub number: u16,
}

/// `HTTPRoute` and `GRPCRoute`, as far as they have the same fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GatewayRoute {
    pub parent_refs: [ParentRef; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    pub rules: Vec<Rule>,
}

#[derive(Serialize)]
pub(super) struct ParentRef {
    pub namespace: String,
    pub name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<[RuleMatch; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<[Filter; 1]>,
    pub backend_refs: [BackendRef; 1],
}

#[derive(Serialize)]
pub(super) struct RuleMatch {
    pub path: PathMatch,
}

#[derive(Serialize)]
pub(super) struct PathMatch {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub url_rewrite: UrlRewrite,
}

#[derive(Serialize)]
pub(super) struct UrlRewrite {
    pub path: PathRewrite,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PathRewrite {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub replace_full_path: &'static str,
}

#[derive(Serialize)]
pub(super) struct BackendRef {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub name: String,
    pub port: u16,
}

/// Where a route goes. The destination of a route that nobody could name is a placeholder.
pub(super) enum Target {
    Service(Backend),
    Missing,
}

impl Routes<'_> {
    /// Adds the route for a host. It stands in the namespace of its service: some meshes ask for
    /// that, and the Gateway API allows no other without a ReferenceGrant.
    pub(super) fn add_host(
        &self,
        output: &mut Output,
        host: &str,
        target: &Target,
        about: &str,
    ) -> Result<(), RenderError> {
        let is_complete = matches!(target, Target::Service(_)) && self.gateway.is_some();
        let (namespace, backend) = match target {
            Target::Service(backend) => (backend.namespace.as_str(), Some(backend)),
            Target::Missing => (self.namespace, None),
        };
        let name = object_name(host);
        let metadata = Metadata::new(&name, namespace, is_complete);
        output.documents.push(match self.api {
            Api::Istio => {
                let route = virtual_service(vec![host.to_owned()], self.gateway_name(), backend);
                let kind = "VirtualService";
                let api_version = "networking.istio.io/v1";
                document(about, &Object { api_version, kind, metadata, spec: route })?
            }
            Api::Gateway => {
                let is_grpc = backend.is_some_and(|backend| backend.protocol == Protocol::Grpc);
                let kind = if is_grpc { "GRPCRoute" } else { "HTTPRoute" };
                let spec = self.gateway_route(host, backend);
                let api_version = "gateway.networking.k8s.io/v1";
                document(about, &Object { api_version, kind, metadata, spec })?
            }
        });
        Ok(())
    }

    /// The gateway as Istio's routes name it.
    pub(super) fn gateway_name(&self) -> String {
        self.gateway.map_or_else(|| "REPLACE/ME".to_owned(), GatewayName::to_string)
    }

    /// The gateway as the routes of the Gateway API name it.
    pub(super) fn parent_ref(&self) -> ParentRef {
        let (namespace, name) = match self.gateway {
            Some(gateway) => (gateway.namespace(), gateway.name()),
            None => ("REPLACE", "ME"),
        };
        ParentRef { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn gateway_route(&self, host: &str, backend: Option<&Backend>) -> GatewayRoute {
        let (name, port) = backend
            .map_or(("REPLACE-ME".to_owned(), 80), |backend| (backend.name.clone(), backend.port));
        GatewayRoute {
            parent_refs: [self.parent_ref()],
            hostnames: vec![host.to_owned()],
            rules: vec![Rule {
                matches: None,
                filters: None,
                backend_refs: [BackendRef { group: None, kind: None, name, port }],
            }],
        }
    }
}

fn virtual_service(
    hosts: Vec<String>,
    gateway: String,
    backend: Option<&Backend>,
) -> VirtualService {
    let (host, port) = match backend {
        Some(backend) => (backend.host(), backend.port),
        None => ("REPLACE-ME".to_owned(), 80),
    };
    VirtualService {
        hosts,
        gateways: [gateway],
        http: vec![HttpRoute {
            matches: None,
            rewrite: None,
            route: [RouteDestination {
                destination: Destination { host, port: PortSelector { number: port } },
            }],
        }],
    }
}

/// A name for the objects of a host: a route is found by what it is for. Hosts have at most 253
/// bytes, as names of objects have.
pub(super) fn object_name(host: &str) -> String {
    let of_name = |byte: char| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == '.';
    let name = host.chars().map(|byte| if of_name(byte) { byte } else { '-' });
    let name: String = "gatepost-".chars().chain(name).take(253).collect();
    name.trim_end_matches(['-', '.']).to_owned()
}
