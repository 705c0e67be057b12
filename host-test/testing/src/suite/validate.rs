//! What the form of a file of tests allows and yet makes no sense: fields that exclude each other,
//! names that nothing has, expectations that cannot hold together. All of it is found at once.

use std::collections::{BTreeMap, HashMap};

use gatepost_diagnostics::{Diagnostic, Source, Span, did_you_mean};
use gatepost_host::{HOSTCALLS, Status};
use serde_saphyr::Spanned;

use super::model::{Callout, Expect, File, Paused, Request, Test};
use super::places::span;
use super::values::{Outcome, Property, address};

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

/// Everything that is wrong with the meaning of a file.
pub(super) fn errors(source: &Source, file: &File) -> Vec<Diagnostic> {
    let mut errors = Errors { source, diagnostics: Vec::new() };
    errors.file(file);
    errors.diagnostics
}

struct Errors<'s> {
    source: &'s Source,
    diagnostics: Vec<Diagnostic>,
}

impl Errors<'_> {
    fn add<T>(
        &mut self,
        place: &Spanned<T>,
        code: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let place = span(self.source, place.referenced);
        let error = Diagnostic::error(code, message).at(self.source, place).with_help(help);
        self.diagnostics.push(error);
    }

    /// An error of the file as a whole.
    fn add_of_file(&mut self, code: &'static str, message: &str) {
        self.diagnostics.push(Diagnostic::error(code, message).at(self.source, Span::default()));
    }

    fn file(&mut self, file: &File) {
        if file.plugin.is_some() && file.plugins.is_some() {
            let message = "`plugin` is one plugin and `plugins` a chain: give one of the two";
            self.add_of_file("exactly-one", message);
        }
        if file.plugins.as_ref().is_some_and(Vec::is_empty) {
            let message =
                "`plugins` has none: give at least one, as in `plugins: [{ name: first }]`";
            self.add_of_file("empty-list", message);
        }
        if file.tests.is_empty() {
            self.add_of_file("empty-list", "`tests` has none: nothing would be tested");
        }
        for plugin in file.plugin.iter().chain(file.plugins.iter().flatten()) {
            if let (Some(_), Some(place)) = (&plugin.configuration, &plugin.configuration_file) {
                self.add(place, "exactly-one", "`configuration` is given already", None);
            }
        }
        let mut names: HashMap<&str, Span> = HashMap::new();
        for test in &file.tests {
            let name = &test.value.name;
            let place = span(self.source, name.referenced);
            if let Some(first) = names.insert(&name.value, place) {
                let line = self.source.line(first.start);
                let message = format!("the test on line {line} has this name already");
                let error = Diagnostic::error("duplicate-name", message);
                self.diagnostics.push(error.at(self.source, place).with_first(self.source, first));
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
            self.add(place, "exactly-one", "`configuration` is given already", None);
        }
        if is_chain && (configuration.is_some() || configuration_file.is_some()) {
            self.add(
                test,
                "ambiguous-configuration",
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
            self.add(
                &step.expect,
                "contradiction",
                "plugins that do not start see no further request",
                None,
            );
        }
    }

    fn request(&mut self, request: &Request) {
        if let Some(url) = &request.url {
            match url::Url::parse(&url.value) {
                Ok(parsed) if parsed.has_host() => {}
                _ => self.add(
                    url,
                    "invalid-url",
                    format!("{:?} is no URL with a host", url.value),
                    Some("write `http://host/path`".to_owned()),
                ),
            }
            if request.scheme.is_some() || request.authority.is_some() || request.path.is_some() {
                self.add(
                    url,
                    "exactly-one",
                    "`url` already says the scheme, the authority and the path",
                    None,
                );
            }
        }
        for place in [&request.source, &request.destination].into_iter().flatten() {
            if address(&place.value).is_none() {
                let help =
                    Some("write `192.0.2.1`, `192.0.2.1:4711` or `[2001:db8::1]:4711`".to_owned());
                self.add(
                    place,
                    "invalid-address",
                    format!("{:?} is no IP address", place.value),
                    help,
                );
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
                    "derived-property",
                    format!(
                        "the property `{name}` follows from the request: change `request` instead"
                    ),
                    None,
                );
            } else if name == "request.time" {
                self.add(
                    place,
                    "derived-property",
                    "the property `request.time` follows from the clock: give the file's `time`",
                    None,
                );
            } else if let Some(field) = name
                .strip_prefix("plugin_")
                .filter(|field| ["name", "root_id", "vm_id"].contains(field))
            {
                self.add(
                    place,
                    "derived-property",
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
                "exactly-one",
                "a callout has exactly one of `reply`, `grpc`, `fail` and `hang`",
                help,
            );
        }
        if *hang && !delay.0.is_zero() {
            self.add(
                place,
                "no-effect",
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
            self.add(place, "contradiction", "a stream that is reset has no reply", None);
        }
        if let (Some(place), Some(Paused::Request)) = (forward, paused) {
            self.add(
                place,
                "contradiction",
                "a request that is paused does not reach the upstream",
                None,
            );
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
                "contradiction",
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
                    "unknown-hostcall",
                    format!("no hostcall is named {:?}", call.value),
                    did_you_mean(&call.value, names()),
                );
            }
            let statuses: Vec<String> =
                STATUSES.iter().map(|status| format!("{status:?}")).collect();
            if let Some(status) = effect.status.as_ref().filter(|status| !statuses.contains(status))
            {
                let help = did_you_mean(status, statuses.iter().map(String::as_str));
                self.add(call, "unknown-status", format!("no hostcall answers {status:?}"), help);
            }
        }
    }
}

/// Whether a test is about plugins that do not start.
fn does_not_start(expect: &Expect) -> bool {
    expect.refused.as_ref().is_some_and(|Outcome(matcher)| !matcher.matches(None))
}
