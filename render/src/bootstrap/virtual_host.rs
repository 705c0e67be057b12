//! Routes as Envoy's virtual hosts: one for each route, which sends every request to its cluster.

use serde::Serialize;

use super::route::{READY, Route, Upstream};

/// `config.route.v3.RouteConfiguration`: one virtual host for each route, named after it. Envoy
/// finds a virtual host by hash, then by the longest wildcard, then `*`; without one it answers 404
/// with the details `route_not_found`.
#[derive(Serialize)]
pub(super) struct RouteConfiguration<'a> {
    name: &'static str,
    /// A port does not take part in the selection. It stays in the authority.
    ignore_port_in_host_matching: bool,
    virtual_hosts: Vec<VirtualHost<'a>>,
}

impl<'a> RouteConfiguration<'a> {
    pub(super) fn of(routes: &'a [Route]) -> Self {
        Self {
            name: "gatepost",
            ignore_port_in_host_matching: true,
            virtual_hosts: routes.iter().map(VirtualHost::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct VirtualHost<'a> {
    name: &'a str,
    domains: [&'a str; 1],
    routes: [EnvoyRoute<'a>; 1],
}

impl<'a> VirtualHost<'a> {
    fn of(route: &'a Route) -> Self {
        // Envoy's 15 seconds count from the request's end to the response's end and would cut every
        // stream.
        let to_cluster = Action::Route(RouteAction { cluster: route.host(), timeout: "0s" });
        let (matching, action) = match route.upstream() {
            Upstream::Address(_) | Upstream::Name { .. } => (RouteMatch::Prefix("/"), to_cluster),
            Upstream::Readiness(_) => (RouteMatch::Path(READY), to_cluster),
            Upstream::Missing => {
                let inline_string = "REPLACE ME: this Envoy has no route (--route)\n";
                let response = DirectResponse { status: 503, body: Body { inline_string } };
                (RouteMatch::Prefix("/"), Action::DirectResponse(response))
            }
        };
        Self {
            name: route.host(),
            domains: [route.host()],
            routes: [EnvoyRoute { matching, action }],
        }
    }
}

#[derive(Serialize)]
struct EnvoyRoute<'a> {
    #[serde(rename = "match")]
    matching: RouteMatch,
    #[serde(flatten)]
    action: Action<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Action<'a> {
    Route(RouteAction<'a>),
    DirectResponse(DirectResponse),
}

#[derive(Serialize)]
struct DirectResponse {
    status: u16,
    body: Body,
}

#[derive(Serialize)]
struct Body {
    inline_string: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum RouteMatch {
    Prefix(&'static str),
    Path(&'static str),
}

#[derive(Serialize)]
struct RouteAction<'a> {
    cluster: &'a str,
    timeout: &'static str,
}
