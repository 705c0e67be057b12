//! One virtual host for any number of environments: its route takes the cluster from a hint header.
//! No object changes when an environment comes or goes, and a name without a Service gets 404.
//!
//! Istio has no object for such a route, so it is an EnvoyFilter. The header is a hint of the
//! policy, which takes it from every client; so nobody but the policy chooses a cluster.

use serde::Serialize;

use super::Routes;
use super::backends::split;
use super::gateway::Api;
use crate::RenderError;
use crate::envoy_filter::{ConfigPatch, EnvoyFilter, Patch, WorkloadSelector};
use crate::object::{Metadata, Object};
use crate::yaml::{Noted, document, noted};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Match {
    context: &'static str,
    route_configuration: RouteConfigurationMatch,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum RouteConfigurationMatch {
    Name(String),
    Gateway(Noted<String>),
    PortNumber(u16),
}

#[derive(Serialize)]
struct VirtualHost<'a> {
    name: &'static str,
    domains: [&'a str; 1],
    routes: [Route<'a>; 1],
}

#[derive(Serialize)]
struct Route<'a> {
    #[serde(rename = "match")]
    matching: RouteMatch<'a>,
    route: RouteAction<'a>,
}

#[derive(Serialize)]
struct RouteMatch<'a> {
    prefix: &'static str,
    headers: [HeaderMatch<'a>; 1],
}

#[derive(Serialize)]
struct HeaderMatch<'a> {
    name: &'a str,
    present_match: bool,
}

#[derive(Serialize)]
struct RouteAction<'a> {
    cluster_header: &'a str,
    cluster_not_found_response_code: Noted<&'static str>,
    timeout: Noted<&'static str>,
}

impl Routes<'_> {
    pub(super) fn cluster_header(
        &self,
        header: &str,
        authority: &str,
    ) -> Result<String, RenderError> {
        let domain = domain(authority);
        let value = || VirtualHost {
            name: "gatepost-environments",
            domains: [&domain],
            routes: [Route {
                matching: RouteMatch {
                    prefix: "/",
                    headers: [HeaderMatch { name: header, present_match: true }],
                },
                route: RouteAction {
                    cluster_header: header,
                    cluster_not_found_response_code: noted(
                        "NOT_FOUND",
                        "an environment without a Service",
                    ),
                    timeout: noted("0s", "Envoy's 15 s would cut every stream"),
                },
            }],
        };
        let matches: Vec<RouteConfigurationMatch> = match self.api {
            // Istio names the routes of HTTP listeners by their port, and those of HTTPS ones by
            // their Gateway.
            Api::Istio => self
                .ports
                .iter()
                .map(|port| RouteConfigurationMatch::Name(format!("http.{port}")))
                .chain([RouteConfigurationMatch::Gateway(noted(
                    self.gateway_name(),
                    "its HTTPS listeners",
                ))])
                .collect(),
            Api::Gateway => {
                self.ports.iter().map(|port| RouteConfigurationMatch::PortNumber(*port)).collect()
            }
        };
        let patch = |route_configuration| ConfigPatch {
            apply_to: "VIRTUAL_HOST",
            matching: Match { context: "GATEWAY", route_configuration },
            patch: Patch { operation: "ADD", value: value() },
        };
        let spec = EnvoyFilter {
            workload_selector: WorkloadSelector { labels: self.selector.iter().copied().collect() },
            config_patches: matches.into_iter().map(patch).collect(),
        };
        let about = format!(
            "Every environment, now and later: the cluster comes from the hint header {header}, \
             which the policy takes from clients. The gateway must know the clusters: without \
             further routes to them, leave istiod's PILOT_FILTER_GATEWAY_CLUSTER_CONFIG off."
        );
        let metadata =
            Metadata::new("gatepost-environments", self.namespace, self.gateway.is_some());
        let (api_version, kind) = ("networking.istio.io/v1alpha3", "EnvoyFilter");
        document(&about, &Object { api_version, kind, metadata, spec })
    }
}

/// The domain of Envoy's that holds all authorities of a pattern. Envoy's have one `*`, at either
/// end; a virtual host for one host comes before those with a `*`.
fn domain(authority: &str) -> String {
    let (host, _) = split(authority);
    match (host.find('*'), host.rfind('*')) {
        (Some(first), Some(last)) => match host.get(last + 1..) {
            Some("") | None => format!("{}*", host.get(..first).unwrap_or_default()),
            Some(suffix) => format!("*{suffix}"),
        },
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_holds_every_authority_of_the_pattern() {
        for (authority, expected) in [
            ("app-service.*.svc.cluster.local:50051", "*.svc.cluster.local"),
            ("*.previews.internal", "*.previews.internal"),
            ("*-app.*.x", "*.x"),
            ("app.*", "app.*"),
            ("environments.internal", "environments.internal"),
        ] {
            assert_eq!(domain(authority), expected, "{authority}");
        }
    }
}
