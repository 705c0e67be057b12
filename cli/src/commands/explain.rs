//! `gatepost explain`: the decision on one request, rule by rule, from the same engine that runs in
//! the filter.

use std::net::IpAddr;
use std::path::PathBuf;

use gatepost_engine::{
    ConditionKind, Decision, EnvironmentReason, Mode, Origin, Owed, Policy, Request, SourceFinding,
    Step, Verdict,
};
use serde_json::{Value, json};

use super::arguments::read_policy;
use super::exit::{CommandError, Exit};
use super::output::print;

/// Show what a policy does with a request, and why
#[derive(clap::Args)]
pub struct Arguments {
    /// The policy file, YAML or JSON
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The request's method, in capitals as HTTP has it
    method: String,
    /// The request's host and path, as `my-service.test.com/orders?id=1`; a scheme in front is
    /// ignored
    url: String,
    /// A header, as `env: env1`; once for each
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The client's address; without it no condition on `sources` holds
    #[arg(long, value_name = "IP")]
    source: Option<IpAddr>,
    /// The status of a response, to see what it becomes
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..600))]
    response_status: Option<u16>,
    /// A header of a response, as `location: https://a.example/login`; once for each line
    #[arg(long = "response-header", value_name = "NAME: VALUE", value_parser = header)]
    response_headers: Vec<(String, String)>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// The response that is given, if one is. Its status is 200 if only headers are given.
    fn response(&self) -> Option<Response<'_>> {
        let headers = self.response_headers.as_slice();
        let default = (!headers.is_empty()).then_some(200);
        Some(Response { status: self.response_status.or(default)?, headers })
    }
}

/// A response of an upstream, as it comes to the gateway.
#[derive(Clone, Copy)]
struct Response<'r> {
    status: u16,
    headers: &'r [(String, String)],
}

impl Response<'_> {
    /// Its headers as the client gets them, and whether each is as it came.
    fn owed(&self, owed: &Owed) -> Vec<(String, String, bool)> {
        let bytes = |(name, value): &(String, String)| {
            (name.as_bytes().to_vec(), value.as_bytes().to_vec())
        };
        let headers: Vec<(Vec<u8>, Vec<u8>)> = self.headers.iter().map(bytes).collect();
        let pairs = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        let applied = owed.changes(&pairs).applied(&headers);
        let shown = applied.iter().enumerate().map(|(number, (name, value))| {
            let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
            let came = headers.get(number).is_some_and(|(_, known)| known == value);
            (text(name), text(value), came)
        });
        shown.collect()
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written `name: value`")?;
    match name.trim() {
        "" => Err("the header has no name".to_owned()),
        name => Ok((name.to_ascii_lowercase(), value.trim().to_owned())),
    }
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let policy = read_policy(&arguments.policy)?.policy;
    let (authority, path) = split(&arguments.url);
    let host = arguments
        .headers
        .iter()
        .rev()
        .find(|(name, _)| name == "host")
        .map(|(_, value)| value.as_str());
    let pseudo = [
        (":method", arguments.method.as_str()),
        (":path", path.as_str()),
        (":authority", host.unwrap_or(authority)),
    ];
    let ordinary = arguments.headers.iter().filter(|(name, _)| name != "host");
    let headers: Vec<(&str, &str)> = pseudo
        .into_iter()
        .chain(ordinary.map(|(name, value)| (name.as_str(), value.as_str())))
        .collect();
    let pairs = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut steps = Vec::new();
    let decision =
        policy.decide_traced(&Request { headers: pairs, source: &arguments.source }, &mut steps);
    let text = if arguments.json {
        let explained = json!({
            "version": "gatepost.explain/v1",
            "request": { "headers": headers, "source": arguments.source },
            "mode": mode(&policy),
            "decision": decision_json(&decision),
            "response": response_json(&decision, arguments.response()),
            "counters": counters(&policy, &decision),
            "steps": steps,
        });
        format!("{}\n", serde_json::to_string_pretty(&explained).map_err(CommandError::other)?)
    } else {
        text(&policy, &decision, &steps, arguments)
    };
    print(&text)?;
    Ok(Exit::Success)
}

/// Authority and path, unchanged: a URL parser would normalize what the policy should see.
fn split(url: &str) -> (&str, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find(['/', '?']).map(|at| rest.split_at(at)) {
        None => (rest, "/".to_owned()),
        Some((authority, path)) if path.starts_with('/') => (authority, path.to_owned()),
        Some((authority, query)) => (authority, format!("/{query}")),
    }
}

fn mode(policy: &Policy) -> &'static str {
    match policy.mode() {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
    }
}

fn counters(policy: &Policy, decision: &Decision<'_>) -> Vec<String> {
    let names = policy.counters();
    let name =
        |counter| names.iter().find(|(known, _)| *known == counter).map(|(_, name)| name.clone());
    decision.counters.iter().filter_map(name).collect()
}

fn decision_json(decision: &Decision<'_>) -> Value {
    match &decision.verdict {
        Verdict::Forward(writes) => json!({
            "verdict": "forward",
            "authority": writes.authority,
            "path": writes.path,
            "remove": writes.remove,
            "set": writes
                .set
                .iter()
                .map(|set| (set.name.to_owned(), json!(set.value)))
                .collect::<serde_json::Map<_, _>>(),
        }),
        Verdict::Reply(reply) => json!({
            "verdict": "reply",
            "status": reply.status,
            "details": reply.details,
            "body": reply.body,
            "grpcStatus": reply.grpc_status,
        }),
    }
}

/// What the response owes, and what the given one becomes.
fn response_json(decision: &Decision<'_>, given: Option<Response<'_>>) -> Value {
    let owed = &decision.owed;
    let given = given.filter(|_| matches!(decision.verdict, Verdict::Forward(_)));
    json!({
        "restores": owed.restores().map(|(authority, client)| {
            json!({ "authority": authority, "client": client })
        }),
        "vary": owed.vary(),
        "setCookie": owed.cookie(),
        "becomes": given.map(|given| json!({
            "status": given.status,
            "headers": given.owed(owed).into_iter().map(|(name, value, _)| [name, value])
                .collect::<Vec<_>>(),
        })),
    })
}

/// The same for people.
fn response_lines(decision: &Decision<'_>, given: Option<Response<'_>>) -> Vec<String> {
    let owed = &decision.owed;
    let mut lines = Vec::new();
    match (given, &decision.verdict) {
        (Some(response), Verdict::Forward(_)) => {
            lines.push(format!("response {} with", response.status));
            lines.extend(response.owed(owed).into_iter().map(|(name, value, came)| {
                let mark = if came { ' ' } else { '*' };
                format!("{mark} {name}: {value}")
            }));
        }
        (given, _) => {
            if !owed.is_empty() {
                lines.push("response with".to_owned());
            }
            lines.extend(
                owed.restores()
                    .map(|(authority, client)| format!("  {client} where it names {authority}")),
            );
            lines.extend(owed.cookie().map(|line| format!("  set-cookie: {line}")));
            lines.extend(owed.vary().map(|names| format!("  vary: {names}")));
            if given.is_some() {
                lines.push(
                    "the gateway answers, so no upstream sends the given response".to_owned(),
                );
            }
        }
    }
    lines
}

fn text(policy: &Policy, decision: &Decision<'_>, steps: &[Step], arguments: &Arguments) -> String {
    let mut lines: Vec<String> = steps.iter().map(|one| step(one, arguments.source)).collect();
    lines.push(String::new());
    if policy.mode() == Mode::Observe {
        lines.push("mode: observe, so nothing of this is carried out".to_owned());
    }
    match &decision.verdict {
        Verdict::Reply(reply) => {
            let grpc = reply
                .grpc_status
                .map(|status| format!(", grpc-status {status}"))
                .unwrap_or_default();
            lines.push(format!("reply {} ({}{grpc})", reply.status, reply.details));
        }
        Verdict::Forward(writes) if writes.is_empty() => lines.push("forward unchanged".to_owned()),
        Verdict::Forward(writes) => {
            lines.push("forward with".to_owned());
            lines.extend(writes.authority.as_ref().map(|value| format!("  authority {value}")));
            lines.extend(writes.path.map(|value| format!("  path {value}")));
            lines.extend(writes.remove.iter().map(|name| format!("  without {name}")));
            lines.extend(writes.set.iter().map(|set| format!("  {}: {}", set.name, set.value)));
        }
    }
    lines.extend(response_lines(decision, arguments.response()));
    lines.extend(counters(policy, decision).iter().map(|name| format!("count {name}")));
    lines.push(String::new());
    lines.join("\n")
}

fn step(step: &Step, source: Option<IpAddr>) -> String {
    match step {
        Step::Authority { canonical: Some(canonical), .. } => format!("authority      {canonical}"),
        Step::Authority { invalid, .. } => {
            format!("authority      invalid: {}", invalid.as_deref().unwrap_or_default())
        }
        Step::HealthCheck { name, failed: None } => format!("health check   {name}: matches"),
        Step::HealthCheck { name, failed: Some(ConditionKind::Sources) } if source.is_none() => {
            format!("health check   {name}: no, sources does not hold (no --source was given)")
        }
        Step::HealthCheck { name, failed: Some(condition) } => {
            format!("health check   {name}: no, {} does not hold", condition.name())
        }
        Step::EnvironmentSource { source, finding } => format!(
            "environment    {source}: {}",
            match finding {
                SourceFinding::Absent => "no value".to_owned(),
                SourceFinding::Allowed(name) => format!("names {name}"),
                SourceFinding::Unknown(value) => format!("unknown value {value:?}"),
                SourceFinding::Conflict => "two different values".to_owned(),
                SourceFinding::Forgotten => "does not count, the query forgets it".to_owned(),
            }
        ),
        Step::Environment { name, reason } => {
            let name = name.as_deref().unwrap_or("none");
            let reason = match reason {
                EnvironmentReason::Selected => "the request names it",
                EnvironmentReason::Default => "the default",
                EnvironmentReason::Preflight => "a CORS preflight that names none",
                EnvironmentReason::NoValue => "no value and no default",
                EnvironmentReason::UnknownDefault => "unknown, so the default",
                EnvironmentReason::UnknownIgnored => "unknown and ignored",
                EnvironmentReason::UnknownRejected => "unknown and refused",
            };
            format!("environment    {name}: {reason}")
        }
        Step::Private { host, pattern: Some(pattern) } => {
            format!("private hosts  {host}: refused by {pattern}")
        }
        Step::Private { host, pattern: None } => {
            format!("private hosts  {host}: no pattern matches")
        }
        Step::Mapping { host, pattern: None, .. } => {
            format!("mappings       {host}: no pattern matches")
        }
        Step::Mapping { host, pattern: Some(pattern), authority } => match authority {
            Some(authority) => format!("mappings       {host}: {pattern} gives {authority}"),
            None => {
                format!("mappings       {host}: {pattern} needs an environment, and there is none")
            }
        },
        Step::Upstream { authority, from } => {
            let from = match from {
                Origin::Client => "the client's",
                Origin::Environment => "the environment's hint",
                Origin::Mapping => "the mapping's",
            };
            format!("upstream       {authority}: {from}")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_without_being_normalised() {
        for (url, authority, path) in [
            ("https://My.Host.:443/a?b", "My.Host.:443", "/a?b"),
            ("a.example", "a.example", "/"),
            ("a.example?env=env1", "a.example", "/?env=env1"),
            ("/path", "", "/path"),
        ] {
            assert_eq!(split(url), (authority, path.to_owned()), "{url}");
        }
    }
}
