//! The route of health checks: to the agent of the pod that was probed.
//!
//! Everything but the one path must stay out of reach: the agent trusts its own host, and ends the
//! gateway when a local client asks it to (`/quitquitquit`).

use serde::Serialize;
use std::collections::BTreeMap;

use gatepost_engine::ProbeRewrite;

use super::backends::split;
use super::gateway::Api;
use super::host_route::{
    BackendRef, Destination, Filter, GatewayRoute, HttpMatch, HttpRewrite, HttpRoute, PathMatch,
    PathRewrite, PortSelector, RegexRewrite, RouteDestination, Rule, RuleMatch, StringMatch,
    UrlRewrite, VirtualService, object_name,
};
use super::{Output, Routes};
use crate::RenderError;
use crate::object::{Metadata, Object};
use crate::yaml::{Noted, document, noted};

/// The host by which routes name the pod's own agent. It is no host of any network.
const AGENT: &str = "agent.gatepost.internal";

/// The agent's port for its status.
const PORT: u16 = 15020;

/// What the agent answers a readiness check at.
const READY: &str = "/healthz/ready";

/// `istio.networking.v1.ServiceEntry`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceEntry {
    hosts: [&'static str; 1],
    export_to: [Noted<&'static str>; 1],
    location: &'static str,
    resolution: &'static str,
    ports: [ServicePort; 1],
    endpoints: [Endpoint; 1],
}

#[derive(Serialize)]
struct ServicePort {
    number: u16,
    name: &'static str,
    protocol: &'static str,
}

#[derive(Serialize)]
struct Endpoint {
    address: Noted<&'static str>,
}

impl Routes<'_> {
    pub(super) fn health(&self, output: &mut Output) -> Result<(), RenderError> {
        // By host: which paths lead to the agent, and for which checks. A check that keeps its host
        // can come with any.
        let mut by_host: BTreeMap<Option<&str>, Vec<&ProbeRewrite>> = BTreeMap::new();
        for rewrite in &self.results.rewrites {
            let host = rewrite.authority.as_deref().map(|authority| split(authority).0);
            by_host.entry(host).or_default().push(rewrite);
        }
        if by_host.is_empty() {
            return Ok(());
        }
        output.documents.push(document(
            "The agent of each gateway pod, on the pod's own 127.0.0.1. A Service would answer a \
             check with any pod.",
            &Object {
                api_version: "networking.istio.io/v1",
                kind: "ServiceEntry",
                metadata: Metadata::new("gatepost-agent", self.namespace, true),
                spec: ServiceEntry {
                    hosts: [AGENT],
                    export_to: [noted(".", "for this namespace, the gateway's")],
                    location: "MESH_EXTERNAL",
                    resolution: "STATIC",
                    ports: [ServicePort { number: PORT, name: "http-status", protocol: "HTTP" }],
                    endpoints: [Endpoint { address: noted("127.0.0.1", "the pod itself") }],
                },
            },
        )?);
        for (host, rewrites) in by_host {
            let document = self.health_route(host, &rewrites)?;
            output.documents.push(document);
        }
        Ok(())
    }

    fn health_route(
        &self,
        host: Option<&str>,
        rewrites: &[&ProbeRewrite],
    ) -> Result<String, RenderError> {
        let checks: Vec<&str> = rewrites.iter().map(|rewrite| rewrite.check.as_str()).collect();
        let (checks, plural) = (checks.join(", "), if checks.len() == 1 { "" } else { "s" });
        let about = match host {
            Some(_) => format!(
                "The probes of the check{plural} {checks}, to the pod's own agent: it fails while \
                 the pod drains, and when its filter refused its policy. Only this path: the \
                 agent ends the gateway for a local client that asks it to."
            ),
            None => format!(
                "The probes of the check{plural} {checks}, which keep their host. This route is \
                 for every host, and for clients who ask for the path themselves: give the check \
                 an authority of its own."
            ),
        };
        let mut paths: Vec<Option<&str>> =
            rewrites.iter().map(|rewrite| rewrite.path.as_deref().map(without_query)).collect();
        // A probe that keeps its path matches every path, so it comes last.
        paths.sort_unstable_by_key(|path| (path.is_none(), *path));
        paths.dedup();
        let name = object_name(host.unwrap_or("every-host"));
        let name = name.replacen("gatepost-", "gatepost-health-", 1);
        let metadata = Metadata::new(&name, self.namespace, self.gateway.is_some());
        match self.api {
            Api::Istio => {
                let spec = VirtualService {
                    hosts: vec![host.unwrap_or("*").to_owned()],
                    gateways: [self.gateway_name()],
                    http: paths.into_iter().map(istio_route).collect(),
                };
                let (api_version, kind) = ("networking.istio.io/v1", "VirtualService");
                document(&about, &Object { api_version, kind, metadata, spec })
            }
            Api::Gateway => {
                let spec = GatewayRoute {
                    parent_refs: [self.parent_ref()],
                    hostnames: host.map(str::to_owned).into_iter().collect(),
                    rules: paths.into_iter().map(gateway_rule).collect(),
                };
                let (api_version, kind) = ("gateway.networking.k8s.io/v1", "HTTPRoute");
                document(&about, &Object { api_version, kind, metadata, spec })
            }
        }
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// A probe that keeps its path gets the agent's.
fn istio_route(path: Option<&str>) -> HttpRoute {
    let rewrites = path != Some(READY);
    HttpRoute {
        matches: path.map(|path| [HttpMatch { uri: StringMatch { exact: path.to_owned() } }]),
        rewrite: rewrites.then_some(HttpRewrite {
            uri_regex_rewrite: RegexRewrite { matching: "^.*$", rewrite: READY },
        }),
        route: [RouteDestination {
            destination: Destination {
                host: AGENT.to_owned(),
                port: PortSelector { number: PORT },
            },
        }],
    }
}

fn gateway_rule(path: Option<&str>) -> Rule {
    let rewrites = path != Some(READY);
    Rule {
        matches: path
            .map(|path| [RuleMatch { path: PathMatch { kind: "Exact", value: path.to_owned() } }]),
        filters: rewrites.then_some([Filter {
            kind: "URLRewrite",
            url_rewrite: UrlRewrite {
                path: PathRewrite { kind: "ReplaceFullPath", replace_full_path: READY },
            },
        }]),
        backend_refs: [BackendRef {
            group: Some("networking.istio.io"),
            kind: Some("Hostname"),
            name: AGENT.to_owned(),
            port: PORT,
        }],
    }
}
