//! Reads a file of tests, and judges what its form does not already exclude: every fault with its
//! place, and the name that was probably meant.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use gatepost_host::{HOSTCALLS, Status};
use serde_saphyr::{Location, Spanned};

use super::Suite;
use super::model::{Callout, Expect, File, Half, Request, Test};
use super::values::{Outcome, Property};
use crate::fault::{Fault, FileError, did_you_mean};

/// Every answer of a hostcall.
const STATUSES: [Status; 13] = [
    Status::Ok,
    Status::NotFound,
    Status::BadArgument,
    Status::SerializationFailure,
    Status::ParseFailure,
    Status::BadExpression,
    Status::InvalidMemoryAccess,
    Status::Empty,
    Status::CasMismatch,
    Status::ResultMismatch,
    Status::InternalFailure,
    Status::BrokenConnection,
    Status::Unimplemented,
];

/// Fields of the property `request` that follow from the request's headers and body.
const OF_REQUEST: [&str; 12] = [
    "path",
    "url_path",
    "query",
    "host",
    "scheme",
    "method",
    "referer",
    "useragent",
    "headers",
    "headers_bytes",
    "size",
    "total_size",
];

impl Suite {
    /// Reads a text.
    ///
    /// # Errors
    /// [`FileError::Faulty`]: the first fault of its form, or else every fault of its meaning.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
        let file: File = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| FileError::faulty(path, fault(&error)))?;
        let mut faults = Faults(Vec::new());
        faults.file(&file);
        if faults.0.is_empty() {
            return Ok(Self { path: path.to_owned(), file });
        }
        faults.0.sort_by_key(|fault| (fault.line, fault.column));
        Err(FileError::Faulty { path: path.to_owned(), faults: faults.0 })
    }
}

fn fault(error: &serde_saphyr::Error) -> Fault {
    use serde_saphyr::Error::{SerdeUnknownField, SerdeUnknownVariant};
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((1, 1), at);
    let (message, help) = match error {
        SerdeUnknownField { field, expected, .. } => {
            let help =
                did_you_mean(field, expected.iter().copied()).or_else(|| Some(one_of(expected)));
            (format!("unknown field `{field}`"), help)
        }
        SerdeUnknownVariant { variant, expected, .. } => {
            let help =
                did_you_mean(variant, expected.iter().copied()).or_else(|| Some(one_of(expected)));
            (format!("unknown value `{variant}`"), help)
        }
        other => {
            // Its own text names the place a second time.
            let text = other.to_string();
            let message = text.split(" at line ").next().unwrap_or(&text);
            (wanted(message).unwrap_or_else(|| message.to_owned()), None)
        }
    };
    Fault { line, column, message, help }
}

/// What must stand at a place, for a message that names a type of the parser's.
fn wanted(message: &str) -> Option<String> {
    if let Some((_, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        return Some(format!("{expected} must stand here"));
    }
    let told = match message {
        "unexpected end of input" => {
            "the file ends here, and something must stand in it, as in `tests: [{ name: one, expect: {} }]`"
        }
        "expected string scalar" | "expected scalar" => "a text must stand here",
        "expected mapping start" => "a mapping must stand here, as in `{ name: value }`",
        "expected sequence start" => "a list must stand here, as in `[a, b]`",
        "invalid boolean (strict mode expects true/false)" => "`true` or `false` must stand here",
        "invalid u16" => "a whole number up to 65535 must stand here",
        "invalid u32" | "invalid u64" | "invalid usize" => {
            "a whole number that is not negative must stand here"
        }
        "invalid i64" => "a whole number must stand here",
        "invalid f64" => "a number must stand here",
        _ => return None,
    };
    Some(told.to_owned())
}

fn one_of(expected: &[&str]) -> String {
    let names: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
    format!("known here: {}", names.join(", "))
}

fn at(location: Location) -> (usize, usize) {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    (number(location.line()), number(location.column()))
}

/// The line on which a value stands.
pub(super) fn line<T>(value: &Spanned<T>) -> usize {
    at(value.referenced).0
}

/// The address of a client, with or without a port.
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| text.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, 0)))
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add<T>(&mut self, place: &Spanned<T>, message: impl Into<String>, help: Option<String>) {
        let (line, column) = at(place.referenced);
        self.0.push(Fault { line, column, message: message.into(), help });
    }

    fn file(&mut self, file: &File) {
        if file.plugin.is_some() && file.plugins.is_some() {
            let message =
                "`plugin` is one plugin and `plugins` a chain: give one of the two".to_owned();
            self.0.push(Fault { line: 1, column: 1, message, help: None });
        }
        if file.plugins.as_ref().is_some_and(Vec::is_empty) {
            let message =
                "`plugins` has none: give at least one, as in `plugins: [{ name: first }]`"
                    .to_owned();
            self.0.push(Fault { line: 1, column: 1, message, help: None });
        }
        if file.tests.is_empty() {
            let message = "`tests` has none: nothing would be tested".to_owned();
            self.0.push(Fault { line: 1, column: 1, message, help: None });
        }
        for plugin in file.plugin.iter().chain(file.plugins.iter().flatten()) {
            if let (Some(_), Some(place)) = (&plugin.configuration, &plugin.configuration_file) {
                self.add(place, "`configuration` is given already", None);
            }
        }
        let mut names: HashMap<&str, usize> = HashMap::new();
        for test in &file.tests {
            let name = &test.value.name;
            if let Some(first) = names.insert(&name.value, line(name)) {
                self.add(name, format!("the test on line {first} has this name already"), None);
            }
            self.test(test, file.plugins.as_ref().is_some_and(|plugins| plugins.len() != 1));
        }
    }

    fn test(&mut self, test: &Spanned<Test>, is_chain: bool) {
        let Test {
            configuration,
            configuration_file,
            request,
            properties,
            callouts,
            expect,
            then,
            ..
        } = &test.value;
        if let (Some(_), Some(place)) = (configuration, configuration_file) {
            self.add(place, "`configuration` is given already", None);
        }
        if is_chain && (configuration.is_some() || configuration_file.is_some()) {
            self.add(
                test,
                "a test of a chain cannot say whose `configuration` this is: give it to a plugin",
                None,
            );
        }
        for callout in callouts {
            self.callout(callout);
        }
        let steps = then.iter().map(|step| (&step.request, &step.properties, &step.expect));
        for (request, properties, expect) in
            std::iter::once((request, properties, expect)).chain(steps)
        {
            self.request(request);
            self.properties(properties);
            self.expect(expect);
        }
        if let (true, Some(step)) = (does_not_start(&expect.value), then.first()) {
            self.add(&step.expect, "plugins that do not start see no further request", None);
        }
    }

    fn request(&mut self, request: &Request) {
        if let Some(url) = &request.url {
            match url::Url::parse(&url.value) {
                Ok(parsed) if parsed.has_host() => {}
                _ => self.add(
                    url,
                    format!("{:?} is no URL with a host", url.value),
                    Some("write `http://host/path`".to_owned()),
                ),
            }
            if request.scheme.is_some() || request.authority.is_some() || request.path.is_some() {
                self.add(url, "`url` already says the scheme, the authority and the path", None);
            }
        }
        for place in [&request.source, &request.destination].into_iter().flatten() {
            if address(&place.value).is_none() {
                let help =
                    Some("write `192.0.2.1`, `192.0.2.1:4711` or `[2001:db8::1]:4711`".to_owned());
                self.add(place, format!("{:?} is no IP address", place.value), help);
            }
        }
    }

    fn properties(&mut self, properties: &BTreeMap<String, Spanned<Property>>) {
        for (name, place) in properties {
            let of_request = name.strip_prefix("request.").filter(|field| {
                let first = field.split('.').next().unwrap_or_default();
                OF_REQUEST.contains(&first)
            });
            if of_request.is_some() {
                self.add(
                    place,
                    format!(
                        "the property `{name}` follows from the request: change `request` instead"
                    ),
                    None,
                );
            } else if name == "request.time" {
                self.add(
                    place,
                    "the property `request.time` follows from the clock: give the file's `time`",
                    None,
                );
            } else if let Some(field) = name
                .strip_prefix("plugin_")
                .filter(|field| ["name", "root_id", "vm_id"].contains(field))
            {
                self.add(
                    place,
                    format!("the property `{name}` is the plugin's `{field}`: give it to `plugin`"),
                    None,
                );
            }
        }
    }

    fn callout(&mut self, place: &Spanned<Callout>) {
        let Callout { reply, grpc, fail, hang, delay, .. } = &place.value;
        if [reply.is_some(), grpc.is_some(), *fail, *hang].iter().filter(|given| **given).count()
            != 1
        {
            let help = Some("as in `{ cluster: auth, reply: { status: 200 } }`".to_owned());
            self.add(
                place,
                "a callout has exactly one of `reply`, `grpc`, `fail` and `hang`",
                help,
            );
        }
        if *hang && !delay.0.is_zero() {
            self.add(
                place,
                "nothing comes of a callout with `hang`, however long its `delay`",
                None,
            );
        }
    }

    fn expect(&mut self, place: &Spanned<Expect>) {
        let Expect {
            forward,
            response,
            reply,
            reset,
            paused,
            trapped,
            route_cache_cleared,
            callouts,
            effects,
            ..
        } = &place.value;
        if let (Some(place), Some(true)) = (reply, reset) {
            self.add(place, "a stream that is reset has no reply", None);
        }
        if let (Some(place), Some(Half::Request)) = (forward, paused) {
            self.add(place, "a request that is paused does not reach the upstream", None);
        }
        let others = forward.is_some()
            || response.is_some()
            || reply.is_some()
            || reset.is_some()
            || paused.is_some();
        let others = others
            || trapped.is_some()
            || route_cache_cleared.is_some()
            || callouts.is_some()
            || effects.is_some();
        if does_not_start(&place.value) && others {
            let help =
                Some("beside it only `logs`, `noLogs` and `metrics` have a meaning".to_owned());
            self.add(
                place,
                "plugins that do not start see no request, so nothing can be expected of one",
                help,
            );
        }
        let names = || HOSTCALLS.iter().map(|call| call.name).chain(["fd_write"]);
        for effect in effects.iter().flatten() {
            let call = &effect.call;
            if !names().any(|name| name == call.value) {
                self.add(
                    call,
                    format!("no hostcall is named {:?}", call.value),
                    did_you_mean(&call.value, names()),
                );
            }
            let statuses: Vec<String> =
                STATUSES.iter().map(|status| format!("{status:?}")).collect();
            if let Some(status) = effect.status.as_ref().filter(|status| !statuses.contains(status))
            {
                let help = did_you_mean(status, statuses.iter().map(String::as_str));
                self.add(call, format!("no hostcall answers {status:?}"), help);
            }
        }
    }
}

/// Whether a test is about plugins that do not start.
fn does_not_start(expect: &Expect) -> bool {
    expect.refused.as_ref().is_some_and(|Outcome(matcher)| !matcher.matches(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Suite, String> {
        Suite::parse(Path::new("t.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_shortest_file_is_a_name_and_an_expectation() {
        let suite = parse("tests:\n- name: one\n  expect: { forward: {} }\n").unwrap();
        assert_eq!((suite.file.tests.len(), line(&suite.file.tests[0])), (1, 2));
    }

    #[test]
    fn everything_can_be_written() {
        let text = include_str!("../../../../docs/host/every-field.yaml");
        let suite = parse(text).unwrap_or_else(|error| panic!("{error}"));
        let test = &suite.file.tests[0].value;
        assert_eq!(test.request.headers.0.len(), 4);
        assert_eq!(test.then.len(), 1);
        assert_eq!(test.callouts.len(), 4);
        assert_eq!(test.expect.value.effects.as_ref().map(Vec::len), Some(2));
    }

    #[test]
    fn a_value_is_the_text_that_is_written() {
        let suite = parse(
            "tests:\n- name: a\n  request: { headers: { a: 12, b: yes, c: true, d: -3, e: \"1.0\", f: [1.50, 007], g: \"\" } }\n  expect: {}\n",
        )
        .unwrap();
        let headers = &suite.file.tests[0].value.request.headers.0;
        let values: Vec<&str> = headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["12", "yes", "true", "-3", "1.0", "1.50", "007", ""]);
    }

    #[test]
    fn a_fault_of_form_has_its_place_and_a_suggestion() {
        for (text, expected) in [
            (
                "tests:\n- name: one\n  expcet: {}\n",
                "t.yaml:3:3: unknown field `expcet`; did you mean `expect`?",
            ),
            (
                "tests:\n- name: one\n  request:\n    heders: {}\n  expect: {}\n",
                "t.yaml:4:5: unknown field `heders`; did you mean `headers`?",
            ),
            (
                "tests:\n- name: one\n  expect:\n    forward: { path: { exakt: / } }\n",
                "t.yaml:4:24: unknown field `exakt`; did you mean `exact`?",
            ),
            (
                "tests:\n- name: one\n  expect: { response: { status: ok } }\n",
                "t.yaml:3:33: a whole number up to 65535 must stand here",
            ),
            (
                "tests:\n- name: one\n  request: []\n  expect: {}\n",
                "t.yaml:3:12: a mapping must stand here",
            ),
            (
                "tests:\n- name: a\n  request: { headers: { x-a: 1.0 } }\n  expect: {}\n",
                "t.yaml:3:30: a number with a point, an exponent or a leading zero must stand in quotes here",
            ),
            (
                "tests:\n- name: a\n  expect: { forward: { headers: { x-a: 1e3 } } }\n",
                "t.yaml:3:40: a number with a point, an exponent or a leading zero must stand in quotes here",
            ),
            ("tests: {}\n", "t.yaml:1:8: a list must stand here"),
            ("tests:\n- name: [a]\n  expect: {}\n", "t.yaml:2:9: a text must stand here"),
            (
                "tests:\n- name: a\n  strict: maybe\n  expect: {}\n",
                "t.yaml:3:11: `true` or `false` must stand here",
            ),
            ("tests:\n- name: a\n  name: b\n  expect: {}\n", "t.yaml:3:3: "),
            ("tests: []\n", "t.yaml:1:1: `tests` has none"),
            ("", "t.yaml:1:1: the file ends here, and something must stand in it"),
            (
                "tests:\n- name: a\n  request: { headers: { x-a: } }\n  expect: {}\n",
                "t.yaml:3:25: a text or a list of texts must stand here",
            ),
            (
                "profile: envoi\ntests: []\n",
                "t.yaml:1:10: unknown value `envoi`; did you mean `envoy`?",
            ),
            ("tests:\n- name: one\n", "t.yaml:2:3: missing field `expect`"),
            ("tests:\n- name: [\n", "t.yaml:2:9: "),
            (
                "tests:\n- name: one\n  expect:\n    forward: { path: { regex: '(' } }\n",
                "t.yaml:4:22: \"(\" is no regular expression: error: unclosed group",
            ),
            (
                "tests:\n- name: one\n  after: soon\n  expect: {}\n",
                "t.yaml:3:10: \"soon\" is no length of time",
            ),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.starts_with(expected), "{text}\nexpected {expected}\nfound    {told}");
        }
    }

    #[test]
    fn every_fault_of_meaning_is_told_at_once() {
        let told = parse(
            r#"
plugin: {}
plugins: []
tests:
- name: one
  request: { url: shop, source: nowhere }
  callouts: [{ cluster: a }]
  properties: { request.path: /, plugin_name: x }
  expect:
    reply: {}
    reset: true
    effects: [{ call: proxy_logg, status: OK }]
- name: one
  expect: { refused: true, logs: [], forward: {} }
  then: [{ expect: {} }]
"#,
        )
        .unwrap_err();
        insta::assert_snapshot!(told);
    }
}
