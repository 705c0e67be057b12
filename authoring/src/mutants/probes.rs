//! Requests that show what a policy decides: every value that it compares with, values beside
//! those, and the requests of its tests, combined; and the response that shows what becomes of the
//! written host. They are how a difference between two policies is found.

use crate::suite::{DEFAULT_SOURCE, Request, Response, Suite};
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;

/// The methods that Envoy's parser of HTTP/1.1 knows and that a gateway may forward.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// What a request may be varied in.
#[derive(Debug, Default)]
struct Values {
    agents: Vec<Option<String>>,
    methods: Vec<String>,
    paths: Vec<String>,
    hosts: Vec<String>,
    sources: Vec<IpAddr>,
    /// Headers, and the query, that name environments or that the policy guards.
    headers: Vec<Vec<(String, String)>>,
    queries: Vec<String>,
}

/// The requests for a policy with its tests.
pub(super) fn requests(policy: &Value, suite: &Suite) -> Vec<Request> {
    let values = Values::of(policy);
    let plain = Request {
        method: "GET".to_owned(),
        authority: "other.example".to_owned(),
        path: "/".to_owned(),
        headers: Vec::new(),
        source: DEFAULT_SOURCE,
    };
    let mut bases = vec![plain.clone()];
    bases.extend(suite.cases.iter().map(|case| case.request.clone()));
    let checks = policy["healthChecks"].as_array().into_iter().flatten();
    bases.extend(checks.map(|check| matching(&check["match"], &plain)));
    if policy["environments"].is_object() {
        bases.push(preflight(&plain));
    }
    let mut requests = bases.clone();
    for base in &bases {
        values.vary(base, &mut requests);
    }
    // Hosts and environments depend on one another.
    for host in &values.hosts {
        let base = Request { authority: host.clone(), ..plain.clone() };
        values.vary_environment(&base, &mut requests);
    }
    requests
}

/// The response of an upstream that names the authority by which it was asked. Its URL has the
/// request's own scheme, so the client's port comes back, too.
pub(super) fn response(authority: &str) -> Response {
    let location = ("location".to_owned(), format!("//{authority}/"));
    Response { headers: vec![location], ..Response::default() }
}

/// What a browser asks before a page of another origin may send its request.
fn preflight(plain: &Request) -> Request {
    let headers = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Request { method: "OPTIONS".to_owned(), headers: headers.to_vec(), ..plain.clone() }
}

/// A request that meets every condition of a health check.
fn matching(conditions: &Value, plain: &Request) -> Request {
    let mut request = plain.clone();
    let text = |name: &str| instance(&conditions[name]);
    request.method = text("method").unwrap_or(request.method);
    request.path = text("path").unwrap_or(request.path);
    request.authority = text("host").unwrap_or(request.authority);
    if let Some(agent) = text("userAgent") {
        request.headers.push(("user-agent".to_owned(), agent));
    }
    let block = conditions["sources"][0].as_str().and_then(network);
    request.source = block.map_or(request.source, |block| block.addr());
    request
}

/// A text that a comparison matches.
fn instance(comparison: &Value) -> Option<String> {
    let text = |kind: &str| comparison[kind].as_str();
    None.or_else(|| text("exact").map(str::to_owned))
        .or_else(|| text("prefix").map(|prefix| format!("{prefix}x")))
        .or_else(|| text("suffix").map(|suffix| format!("x{suffix}")))
}

/// Texts that a comparison matches, and texts beside them.
fn around(comparison: &Value) -> Vec<String> {
    let Some(instance) = instance(comparison) else { return Vec::new() };
    let text = ["exact", "prefix", "suffix"].iter().find_map(|kind| comparison[*kind].as_str());
    let text = text.unwrap_or_default();
    let mut shorter = text.to_owned();
    shorter.pop();
    let end: String = text.chars().skip(1).collect();
    vec![instance, format!("{text}x"), format!("{shorter}~"), format!("~{end}")]
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// The first address of a block, and the first of the block beside it.
fn addresses(block: IpNet) -> impl Iterator<Item = IpAddr> {
    let beside = block.supernet().and_then(|wider| {
        let mut halves = wider.subnets(block.prefix_len()).ok()?;
        halves.find(|half| half.network() != block.network())
    });
    std::iter::once(block.network()).chain(beside.map(|beside| beside.network()))
}

/// Hosts that a pattern matches, and hosts beside them.
fn hosts(pattern: &str, environments: &[String]) -> Vec<String> {
    let mut hosts = Vec::new();
    let fill = |label: &str, environment: &str| match label {
        "*" => "x".to_owned(),
        "{env}" => environment.to_owned(),
        label if label.starts_with('{') => "y".to_owned(),
        label => label.to_owned(),
    };
    for environment in environments.iter().map(String::as_str).chain(["nope"]) {
        let labels: Vec<String> =
            pattern.split('.').map(|label| fill(label, environment)).collect();
        let host = labels.join(".");
        hosts.extend([format!("x.{host}"), format!("{host}:8443")]);
        if let Some((_, parent)) = host.split_once('.') {
            hosts.extend([parent.to_owned(), format!("z.{parent}")]);
            hosts.extend(parent.split_once('.').map(|(_, parent)| format!("x.z.{parent}")));
        }
        hosts.push(host);
    }
    hosts
}

impl Values {
    fn of(policy: &Value) -> Self {
        let mut values = Self {
            agents: vec![None, Some("curl/8".to_owned())],
            methods: vec!["GET".to_owned(), "POST".to_owned()],
            paths: vec!["/".to_owned(), "/other".to_owned()],
            hosts: vec!["other.example".to_owned(), "other.example:8443".to_owned()],
            sources: vec![DEFAULT_SOURCE],
            headers: vec![Vec::new()],
            queries: vec![String::new()],
        };
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        for check in list(&policy["healthChecks"]) {
            values.add_conditions(&check["match"]);
        }
        let environments = &policy["environments"];
        let mut names: Vec<String> = list(&environments["allow"])
            .iter()
            .filter_map(Value::as_str)
            .map(|name| name.replace('*', "1"))
            .collect();
        names.extend(
            environments["aliases"].as_object().into_iter().flatten().map(|(name, _)| name.clone()),
        );
        let hints = environments["hints"]["headers"].as_object();
        let guarded = list(&policy["strip"])
            .into_iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .chain(hints.into_iter().flatten().map(|(name, _)| name.clone()))
            .chain(policy["hosts"]["originalHost"].as_str().map(str::to_owned));
        values.headers.extend(guarded.map(|name| vec![(name, "forged".to_owned())]));
        values.add_environments(&list(&environments["sources"]), &names);
        for entry in list(&policy["hosts"]["private"]) {
            let Some(text) = entry.as_str() else { continue };
            match network(text) {
                Some(block) => values.hosts.extend(addresses(block).map(|address| match address {
                    IpAddr::V4(address) => address.to_string(),
                    IpAddr::V6(address) => format!("[{address}]"),
                })),
                None => values.hosts.extend(hosts(text, &names)),
            }
        }
        for mapping in list(&policy["hosts"]["mappings"]) {
            values.hosts.extend(hosts(mapping["host"].as_str().unwrap_or_default(), &names));
        }
        values.hosts.sort();
        values.hosts.dedup();
        values
    }

    fn add_conditions(&mut self, conditions: &Value) {
        self.agents.extend(around(&conditions["userAgent"]).into_iter().map(Some));
        // Gateways refuse methods that they do not know.
        let methods = around(&conditions["method"]).into_iter();
        self.methods.extend(methods.filter(|method| METHODS.contains(&method.as_str())));
        let paths = around(&conditions["path"]).into_iter();
        self.paths.extend(paths.filter(|path| path.starts_with('/')));
        self.hosts.extend(around(&conditions["host"]));
        let blocks = conditions["sources"].as_array().into_iter().flatten();
        let blocks = blocks.filter_map(|block| network(block.as_str()?));
        self.sources.extend(blocks.flat_map(addresses));
        let absent = conditions["absentHeaders"].as_array().into_iter().flatten();
        let header = |name: &Value| Some(vec![(name.as_str()?.to_owned(), "x".to_owned())]);
        self.headers.extend(absent.filter_map(header));
    }

    /// Each name in each source, and two names in two sources.
    fn add_environments(&mut self, sources: &[Value], names: &[String]) {
        let mut values: Vec<&str> = names.iter().map(String::as_str).collect();
        // A name that only a wider pattern allows.
        let longer = names.first().map(|name| format!("{name}9"));
        values.extend(longer.as_deref());
        values.push("nope");
        let header = |source: &Value, value: &str| {
            let name = |kind: &str| source[kind].as_str();
            name("header").map(|name| (name.to_owned(), value.to_owned())).or_else(|| {
                let (header, name) = None
                    .or_else(|| Some(("cookie", name("cookie")?)))
                    .or_else(|| Some(("baggage", name("baggage")?)))?;
                Some((header.to_owned(), format!("{name}={value}")))
            })
        };
        for (number, source) in sources.iter().enumerate() {
            if let Some(pattern) = source["subdomain"].as_str() {
                self.hosts.extend(hosts(pattern, names));
            }
            if let Some(name) = source["query"].as_str() {
                // An empty value makes a pin forgotten.
                let values = values.iter().copied().chain([""]);
                self.queries.extend(values.map(|value| format!("?{name}={value}")));
            }
            self.headers
                .extend(values.iter().filter_map(|value| Some(vec![header(source, value)?])));
            for other in sources.iter().skip(number + 1) {
                if let [one, two, ..] = values[..] {
                    self.headers.extend(
                        header(source, one).zip(header(other, two)).map(|(a, b)| vec![a, b]),
                    );
                }
            }
        }
    }

    /// Adds requests that differ from `base` in one thing.
    fn vary(&self, base: &Request, requests: &mut Vec<Request>) {
        let method = |method: &String| Request { method: method.clone(), ..base.clone() };
        requests.extend(self.methods.iter().map(method));
        let path = |path: &String| Request { path: path.clone(), ..base.clone() };
        requests.extend(self.paths.iter().map(path));
        let host = |host: &String| Request { authority: host.clone(), ..base.clone() };
        requests.extend(self.hosts.iter().map(host));
        let source = |source: &IpAddr| Request { source: *source, ..base.clone() };
        requests.extend(self.sources.iter().map(source));
        for agent in &self.agents {
            let mut request = base.clone();
            request.headers.retain(|(name, _)| name != "user-agent");
            request.headers.extend(agent.clone().map(|agent| ("user-agent".to_owned(), agent)));
            requests.push(request);
        }
        self.vary_environment(base, requests);
    }

    fn vary_environment(&self, base: &Request, requests: &mut Vec<Request>) {
        for headers in &self.headers {
            let mut request = base.clone();
            request.headers.retain(|(name, _)| headers.iter().all(|(added, _)| added != name));
            request.headers.extend(headers.iter().cloned());
            requests.push(request);
        }
        for query in &self.queries {
            let path = base.path.split('?').next().unwrap_or_default();
            requests.push(Request { path: format!("{path}{query}"), ..base.clone() });
            // A query against each other source.
            for headers in self.headers.iter().filter(|headers| headers.len() == 1) {
                let mut request = Request { path: format!("{path}{query}"), ..base.clone() };
                request.headers.extend(headers.iter().cloned());
                requests.push(request);
            }
        }
    }
}
