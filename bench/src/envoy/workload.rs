//! The requests that are sent, and the answer to each, with a filter that does the work and with
//! one that does nothing.

use super::answer::Answer;
use super::policy::{self, Shape, Size};
use crate::browser::BROWSER;

/// How many hosts or environments the requests of one workload go through in turn. They are spread
/// evenly over all that there are.
pub const ROTATION: usize = 1000;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Workload {
    /// The balancer's `GET /`, rewritten to the readiness endpoint.
    Probe,
    /// A browser's request with twelve headers, which passes untouched.
    PassThrough,
    /// A browser's request to a customer's host, which is mapped to a service.
    MappedHost,
    /// The same to a path that the service redirects, to its own host.
    Redirect,
    /// A request that names its environment in a header.
    Environment,
    /// A browser's request to a host inside the cluster, which is refused.
    Reject,
    /// A request that names the last of the environments, which routes that are tried in order find
    /// last.
    #[value(skip)]
    LastEnvironment,
    /// The same sent by `curl`, with few other headers.
    #[value(skip)]
    LastEnvironmentByCurl,
}

/// The workloads that every arm is measured with, in the order of reports.
pub const WORKLOADS: [Workload; 6] = [
    Workload::Probe,
    Workload::PassThrough,
    Workload::MappedHost,
    Workload::Redirect,
    Workload::Environment,
    Workload::Reject,
];

/// A request and its answers.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request as it is sent: HTTP/1.1 without a body.
    pub request: String,
    /// The answer when the policy was carried out.
    pub carried_out: Answer,
    /// The answer when nothing was done.
    pub untouched: Answer,
    /// The request as the policy leaves it, for arms that do nothing: it selects the same route, so
    /// that the cost of the route is in every arm's figure. None when the policy refuses the
    /// request; then these arms receive it unchanged.
    pub resolved: Option<String>,
}

impl Exchange {
    /// The request that an arm receives when it is measured, and its answer. `works` says whether
    /// it carries out the policy.
    #[must_use]
    pub fn measured(&self, works: bool) -> (&str, &Answer) {
        match &self.resolved {
            _ if works => (&self.request, &self.carried_out),
            Some(resolved) => (resolved, &self.carried_out),
            None => (&self.request, &self.untouched),
        }
    }
}

/// The body of the route for authorities without a route.
pub const UNROUTED: &str = "unrouted";
/// The body of the readiness endpoint.
pub const READINESS: &str = "readiness";
/// The host that is routed by its own name.
pub const OWN_HOST: &str = "www.example.com";
/// The host whose routes show whether a guarded header arrived.
pub const WITNESS_HOST: &str = "witness.example.com";
/// The body of the witness when no guarded header arrived; otherwise it is `kept` and the header's
/// name.
pub const CLEAN: &str = "clean";
/// The headers that `knative-gclb` guards: those that it strips, and the one that it sets.
pub const GUARDED: [&str; 7] = [
    "knative-serving-namespace",
    "knative-serving-revision",
    "k-network-hash",
    "k-network-probe",
    "k-kubelet-probe",
    "k-original-host",
    "x-forwarded-host",
];

/// What `curl` sends beside its Host.
const CURL: [(&str, &str); 2] = [("user-agent", "curl/8.5.0"), ("accept", "*/*")];

/// What the balancer sends with its probe.
const PROBE: [(&str, &str); 2] = [("user-agent", "GoogleHC/1.0"), ("connection", "keep-alive")];

/// The authority of a rewritten probe.
pub const READINESS_AUTHORITY: &str = "istio-ingress.gke-system.svc.cluster.local:15020";
/// The path of a rewritten probe.
pub const READINESS_PATH: &str = "/healthz/ready";

/// The path that every service redirects.
pub const LOGIN: &str = "/login";
/// Where it redirects to.
pub const ACCOUNT: &str = "/account";

const PAGE: &str = "/articles/2024/05/a-long-title-of-an-article?utm_source=newsletter";

fn request<'a>(
    path: &str,
    host: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let headers: String =
        headers.into_iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n")
}

/// A request with these headers and one that names an environment.
fn naming(number: usize, headers: &[(&str, &str)]) -> Exchange {
    let env = policy::environment(number);
    let to =
        |host: &str| request(PAGE, host, headers.iter().copied().chain([("env", env.as_str())]));
    let (request, resolved) =
        (to("app.example.com"), Some(to(&policy::environment_authority(&env))));
    Exchange {
        request,
        resolved,
        carried_out: Answer::of_route(env).varying("env"),
        untouched: Answer::of_route(UNROUTED),
    }
}

/// At most [`ROTATION`] numbers from 1 to below `count`, spread evenly. Number 0 is for
/// [`witnesses`].
pub(super) fn rotation(count: usize) -> impl Iterator<Item = usize> {
    let others = count.saturating_sub(1);
    let taken = others.min(ROTATION);
    (0..taken).map(move |step| 1 + step * others / taken)
}

impl Workload {
    /// What reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::PassThrough => "pass-through",
            Self::MappedHost => "mapped host",
            Self::Redirect => "redirect",
            Self::Environment => "environment",
            Self::Reject => "reject",
            Self::LastEnvironment => "last environment",
            Self::LastEnvironmentByCurl => "last environment, by curl",
        }
    }

    /// The policy that it goes through.
    #[must_use]
    pub fn shape(self) -> Shape {
        match self {
            Self::Environment | Self::LastEnvironment | Self::LastEnvironmentByCurl => {
                Shape::Environments
            }
            Self::Probe | Self::PassThrough | Self::MappedHost | Self::Redirect | Self::Reject => {
                Shape::Knative
            }
        }
    }

    /// The requests, to be sent in turn.
    #[must_use]
    pub fn exchanges(self, size: Size) -> Vec<Exchange> {
        let own = Answer::of_route(OWN_HOST);
        let unrouted = Answer::of_route(UNROUTED);
        let last = size.environments.saturating_sub(1);
        match self {
            Self::Probe => vec![Exchange {
                request: request("/", "10.0.0.7", PROBE),
                carried_out: Answer::of_route(READINESS),
                untouched: unrouted,
                resolved: Some(request(READINESS_PATH, READINESS_AUTHORITY, PROBE)),
            }],
            Self::PassThrough => {
                let request = request(PAGE, OWN_HOST, BROWSER);
                vec![Exchange {
                    resolved: Some(request.clone()),
                    request,
                    carried_out: own.clone(),
                    untouched: own,
                }]
            }
            Self::MappedHost => rotation(size.mappings)
                .map(|number| {
                    let (host, authority) = policy::mapping(number);
                    Exchange {
                        request: request(PAGE, &host, BROWSER),
                        resolved: Some(request(PAGE, &authority, BROWSER)),
                        carried_out: Answer::of_route(authority),
                        untouched: unrouted.clone(),
                    }
                })
                .collect(),
            Self::Redirect => rotation(size.mappings)
                .map(|number| {
                    let (host, authority) = policy::mapping(number);
                    Exchange {
                        request: request(LOGIN, &host, BROWSER),
                        resolved: Some(request(LOGIN, &authority, BROWSER)),
                        carried_out: Answer::redirect(format!("http://{host}{ACCOUNT}")),
                        untouched: unrouted.clone(),
                    }
                })
                .collect(),
            Self::Environment => {
                rotation(size.environments).map(|number| naming(number, &BROWSER)).collect()
            }
            Self::LastEnvironment => vec![naming(last, &BROWSER)],
            Self::LastEnvironmentByCurl => vec![naming(last, &CURL)],
            Self::Reject => vec![Exchange {
                request: request(PAGE, "internal-my-service.default.svc.cluster.local", BROWSER),
                carried_out: Answer::refused(404, "not found\n"),
                untouched: unrouted,
                resolved: None,
            }],
        }
    }
}

/// Requests that are not measured, and show that a filter does all of the policy's work and not
/// only what the workloads need.
#[must_use]
pub fn witnesses(shape: Shape) -> Vec<(String, Answer)> {
    let plain = |host: &str| request("/", host, []);
    let probe = [("user-agent", "GoogleHC/1.0")];
    let not_found = Answer::refused(404, "not found\n");
    let of_default = || Answer::of_route(policy::DEFAULT_ENVIRONMENT).varying("env");
    match shape {
        Shape::Knative => vec![
            // These two answer only with the right x-forwarded-host.
            (plain("my-service.test.com"), Answer::of_route("my-service.test.com")),
            (plain("My-Service.TEST.com.:443"), Answer::of_route("My-Service.TEST.com.:443")),
            (
                request("/", WITNESS_HOST, GUARDED.map(|name| (name, "forged"))),
                Answer::of_route(CLEAN),
            ),
            // Knative's own probe, from inside the cluster, keeps its header.
            (
                request(
                    "/",
                    WITNESS_HOST,
                    [("user-agent", "Knative-Ingress-Probe"), ("k-network-probe", "probe")],
                ),
                Answer::of_route("kept k-network-probe"),
            ),
            (request("/?from=gclb", "my-service.test.com", probe), Answer::of_route(READINESS)),
            (
                request("/", OWN_HOST, [("user-agent", "GoogleHC/1.0"), ("via", "1.1 google")]),
                Answer::of_route(OWN_HOST),
            ),
            (request("/other", OWN_HOST, probe), Answer::of_route(OWN_HOST)),
            (plain("WWW.Example.com."), Answer::of_route(OWN_HOST)),
            (plain("Secret.SVC.Cluster.Local.:80"), not_found.clone()),
            (plain("my-service.default"), not_found),
            (plain("a..b"), Answer::refused(400, "invalid Host\n")),
            (plain("unknown.test.com"), Answer::of_route(UNROUTED)),
        ],
        Shape::Environments => vec![
            // The default environment's route answers only with the right x-gatepost-env.
            (plain("app.example.com"), of_default()),
            (
                request("/", "app.example.com", [("env", " ENV2 ")]),
                Answer::of_route("env2").varying("env"),
            ),
            (request("/", "app.example.com", [("env", "")]), of_default()),
            (request("/", "app.example.com", [("x-gatepost-env", "env2")]), of_default()),
            (
                request("/", "app.example.com", [("env", "nobody")]),
                Answer::refused(404, "unknown environment\n").varying("env"),
            ),
            (request("/", "app.svc.cluster.local", [("env", "env2")]), not_found.varying("env")),
            (plain("a..b"), Answer::refused(400, "invalid Host\n")),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rotation_is_spread_over_everything_but_the_first() {
        assert_eq!(rotation(3).collect::<Vec<_>>(), [1, 2]);
        let large: Vec<_> = rotation(100_001).collect();
        assert_eq!((large.len(), large[0], large[1], large[999]), (1000, 1, 101, 99_901));
    }

    #[test]
    fn a_browsers_request_has_twelve_headers_beside_its_host() {
        let exchange =
            Workload::PassThrough.exchanges(Size { mappings: 3, environments: 2 }).remove(0);
        assert_eq!(exchange.request.lines().filter(|line| line.contains(": ")).count(), 13);
    }

    #[test]
    fn only_a_request_that_passes_is_answered_the_same_without_a_filter() {
        for workload in WORKLOADS {
            let exchanges = workload.exchanges(Size { mappings: 5, environments: 5 });
            let same = exchanges.iter().all(|exchange| exchange.carried_out == exchange.untouched);
            assert_eq!(same, workload == Workload::PassThrough, "{workload:?}");
        }
    }
}
