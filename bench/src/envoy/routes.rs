//! Route tables. Every route answers by a `direct_response` that names what selected it, so the
//! answer shows what a filter did to the request.

use serde_json::{Value, json};

use super::arm::Selection;
use super::policy::{self, DEFAULT_ENVIRONMENT, SHIPPED_MAPPING, Shape, Size};
use super::workload::{
    ACCOUNT, CLEAN, GUARDED, LOGIN, OWN_HOST, READINESS, READINESS_AUTHORITY, READINESS_PATH,
    UNROUTED, WITNESS_HOST, rotation,
};

const PRIVATE_SUFFIXES: [&str; 3] = [".svc.cluster.local", ".svc", ".default"];
const PRIVATE_HOST: &str = "internal-my-service.default.example.com";

fn respond(status: u16, body: &str) -> Value {
    json!({ "status": status, "body": { "inline_string": body } })
}

/// A route for every path.
fn all(body: &str) -> Value {
    json!({ "match": { "prefix": "/" }, "direct_response": respond(200, body) })
}

/// A route for every path of requests with a header.
fn with_header(name: &str, matcher: Value, answer: Value) -> Value {
    let mut header = matcher;
    header["name"] = name.into();
    json!({ "match": { "prefix": "/", "headers": [header] }, "direct_response": answer })
}

fn exact(value: &str) -> Value {
    json!({ "string_match": { "exact": value } })
}

/// A redirect to the host that the request names, as Envoy makes it.
fn login() -> Value {
    json!({
        "match": { "path": LOGIN },
        "redirect": { "path_redirect": ACCOUNT, "response_code": "FOUND" },
    })
}

fn host(domain: &str, routes: Vec<Value>) -> Value {
    json!({ "name": domain, "domains": [domain], "routes": routes })
}

fn table(hosts: Vec<Value>) -> Value {
    json!({ "name": "routes", "virtual_hosts": hosts })
}

/// The routes behind a filter: they select by what the filter writes.
#[must_use]
pub fn behind_a_filter(shape: Shape, size: Size) -> Value {
    let mut hosts = vec![host("*", vec![all(UNROUTED)])];
    match shape {
        Shape::Knative => {
            hosts.push(host(
                READINESS_AUTHORITY,
                vec![json!({
                    "match": { "path": READINESS_PATH },
                    "direct_response": respond(200, READINESS),
                })],
            ));
            hosts.push(host(OWN_HOST, vec![all(OWN_HOST)]));
            let kept = GUARDED.map(|name| {
                with_header(
                    name,
                    json!({ "present_match": true }),
                    respond(200, &format!("kept {name}")),
                )
            });
            hosts.push(host(WITNESS_HOST, kept.into_iter().chain([all(CLEAN)]).collect()));
            let original = ["my-service.test.com", "My-Service.TEST.com.:443"]
                .map(|host| with_header("x-forwarded-host", exact(host), respond(200, host)));
            hosts.push(host(
                SHIPPED_MAPPING.1,
                original.into_iter().chain([all("mapped without x-forwarded-host")]).collect(),
            ));
            hosts.extend(
                rotation(size.mappings)
                    .map(policy::mapping)
                    .map(|(_, authority)| host(&authority, vec![login(), all(&authority)])),
            );
        }
        Shape::Environments => {
            for env in (0..size.environments).map(policy::environment) {
                let mut routes = vec![all(&env)];
                if env == DEFAULT_ENVIRONMENT {
                    let answer = respond(200, &env);
                    routes = vec![
                        with_header("x-gatepost-env", exact(&env), answer),
                        all("env1 without x-gatepost-env"),
                    ];
                }
                hosts.push(host(&policy::environment_authority(&env), routes));
            }
        }
    }
    table(hosts)
}

/// The routes that do the workloads' work alone.
#[must_use]
pub fn alone(shape: Shape, size: Size, selection: Selection) -> Value {
    match shape {
        Shape::Knative => hosts_alone(size, selection),
        Shape::Environments => environments_alone(size, selection),
    }
}

fn hosts_alone(size: Size, selection: Selection) -> Value {
    let method = json!({ "name": ":method", "string_match": { "exact": "GET" } });
    let agent = json!({ "name": "user-agent", "string_match": { "prefix": "GoogleHC" } });
    let via = json!({ "name": "via", "present_match": true, "invert_match": true });
    let probe = json!({
        "match": { "path": "/", "headers": [agent, method, via] },
        "direct_response": respond(200, READINESS),
    });
    let not_found = || respond(404, "not found\n");
    let mappings = (0..size.mappings).map(policy::mapping);
    match selection {
        Selection::Linear => {
            let by_authority =
                |matcher: Value, answer: Value| with_header(":authority", matcher, answer);
            let suffixes = PRIVATE_SUFFIXES.map(|suffix| {
                by_authority(json!({ "string_match": { "suffix": suffix } }), not_found())
            });
            let mut routes = vec![probe, login()];
            routes.extend(suffixes);
            routes.push(by_authority(exact(PRIVATE_HOST), not_found()));
            routes.push(by_authority(exact(OWN_HOST), respond(200, OWN_HOST)));
            routes.extend(
                mappings
                    .map(|(host, authority)| by_authority(exact(&host), respond(200, &authority))),
            );
            routes.push(all(UNROUTED));
            table(vec![host("*", routes)])
        }
        Selection::Hash => {
            let refused =
                || vec![json!({ "match": { "prefix": "/" }, "direct_response": not_found() })];
            let mut hosts =
                vec![host("*", vec![probe, all(UNROUTED)]), host(OWN_HOST, vec![all(OWN_HOST)])];
            hosts.extend(PRIVATE_SUFFIXES.map(|suffix| host(&format!("*{suffix}"), refused())));
            hosts.push(host(PRIVATE_HOST, refused()));
            hosts.extend(
                mappings.map(|(name, authority)| host(&name, vec![login(), all(&authority)])),
            );
            table(hosts)
        }
    }
}

fn environments_alone(size: Size, selection: Selection) -> Value {
    let environments = (0..size.environments).map(policy::environment);
    let unknown = json!({
        "match": { "prefix": "/" },
        "direct_response": respond(404, "unknown environment\n"),
    });
    match selection {
        Selection::Linear => {
            let mut routes: Vec<Value> = environments
                .map(|env| with_header("env", exact(&env), respond(200, &env)))
                .collect();
            routes.push(unknown);
            table(vec![host("*", routes)])
        }
        Selection::Hash => {
            let hosts = environments.map(|env| host(&env, vec![all(&env)]));
            let mut table = table(hosts.chain([host("*", vec![unknown])]).collect());
            table["vhost_header"] = "env".into();
            table
        }
    }
}
