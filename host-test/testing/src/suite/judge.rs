//! Compares what happened in a test with what is expected. A test that is not strict is held to
//! what it names; a strict one to everything: what it does not name must have passed as it was
//! sent, and must not have happened.

mod calls;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use gatepost_host::LogLevel;

use super::model::{Expect, Forward, Half, LogExpectation, Response};
use super::observed::Observed;
use super::values::{Matcher, Outcome};
use crate::matching::quoted;
use crate::report::Difference;

/// Everything in which an exchange differs from what is expected of it.
pub(super) fn judge(expect: &Expect, strict: bool, observed: &Observed) -> Vec<Difference> {
    let mut judge = Judge { strict, differences: observed.faults.clone() };
    judge.all(expect, observed);
    judge.differences
}

struct Judge {
    strict: bool,
    differences: Vec<Difference>,
}

impl Judge {
    fn differs(
        &mut self,
        at: &str,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.differences.push(Difference::new(at, what, expected, found));
    }

    fn all(&mut self, expect: &Expect, observed: &Observed) {
        self.told(
            "start",
            ["a plugin that does not start", "every plugin starts"],
            expect.refused.as_ref(),
            observed.refused.as_slice(),
        );
        if observed.refused.is_none() {
            self.told("outcome", ["a trap", "no trap"], expect.trapped.as_ref(), &observed.traps);
            self.exchange(expect, observed);
            self.calls(expect, observed);
        }
        self.logs(expect, observed);
        self.metrics(&expect.metrics, &observed.metrics);
    }

    /// Something that is told in words, or does not happen.
    fn told(
        &mut self,
        what: &str,
        [happens, otherwise]: [&str; 2],
        expected: Option<&Outcome>,
        found: &[String],
    ) {
        let Some(Outcome(matcher)) = expected else {
            found.iter().for_each(|found| self.differs("plugin", what, otherwise, found.as_str()));
            return;
        };
        let fits = match found {
            [] => matcher.matches(None),
            found => found.iter().any(|found| matcher.matches(Some(found.as_bytes()))),
        };
        if !fits {
            let found = if found.is_empty() { otherwise.to_owned() } else { found.join("; ") };
            let expected = match matcher {
                Matcher::Present(true) => happens.to_owned(),
                matcher if matcher.matches(None) => otherwise.to_owned(),
                matcher => format!("{happens}: {matcher}"),
            };
            self.differs("plugin", what, expected, found);
        }
    }

    fn exchange(&mut self, expect: &Expect, observed: &Observed) {
        self.outcome(expect, observed);
        let nothing = Forward::default();
        let forward = expect
            .forward
            .as_ref()
            .map(|forward| &forward.value)
            .or(self.strict.then_some(&nothing));
        if let (Some(forwarded), Some(forward)) = (&observed.forwarded, forward) {
            self.forward(forward, &observed.sent, forwarded);
        }
        if let (Some(found), Some(reply)) = (&observed.reply, &expect.reply) {
            self.reply(&reply.value, found, observed.response.as_ref());
        }
        // What a reply is like is not measured by what the upstream answered.
        let answered = observed.answered.as_ref().filter(|_| observed.reply.is_none());
        let response = expect.response.as_ref().map(|response| &response.value);
        let nothing = Response::default();
        let unnamed = (self.strict && observed.reply.is_none()).then_some(&nothing);
        if let (Some(found), Some(response)) = (&observed.response, response.or(unnamed)) {
            self.response(response, answered, found);
        }
        if let Some(expected) = expect.route_cache_cleared
            && expected != observed.route_cache_cleared
        {
            let tell = |cleared| if cleared { "cleared" } else { "kept" };
            self.differs(
                "forward",
                "route cache",
                tell(expected),
                tell(observed.route_cache_cleared),
            );
        }
    }

    /// Where the request went.
    fn outcome(&mut self, expect: &Expect, observed: &Observed) {
        let found = tell(observed);
        let replied = observed.reply.is_some();
        if expect.reply.is_some() != replied && (expect.reply.is_some() || self.strict) {
            let expected = if replied {
                "nobody answers in the upstream's place"
            } else {
                "an answer in the upstream's place"
            };
            return self.differs("outcome", "reply", expected, found);
        }
        if let Some(reset) = expect.reset.or(self.strict.then_some(false))
            && reset != observed.reset
        {
            let expected = if reset {
                "the client's stream is reset"
            } else {
                "the client's stream is not reset"
            };
            return self.differs("outcome", "reset", expected, found);
        }
        // Whoever expects a message expects that it comes to its end.
        let waits = expect.forward.is_some() || expect.response.is_some() || self.strict;
        if expect.paused != observed.paused && (expect.paused.is_some() || waits) {
            let expected = expect.paused.map_or("nothing is paused", paused);
            return self.differs("outcome", "pause", expected, found);
        }
        if expect.forward.is_some() && observed.forwarded.is_none() {
            return self.differs("outcome", "forward", "the request reaches the upstream", found);
        }
        if expect.response.is_some() && observed.response.is_none() {
            self.differs("outcome", "response", "a response reaches the client", found);
        }
    }

    fn logs(&mut self, expect: &Expect, observed: &Observed) {
        let fits = |expected: &LogExpectation, (level, message): &(LogLevel, Bytes)| {
            expected.level.is_none_or(|want| want == *level)
                && expected.message.matches(Some(message))
        };
        let show = |expected: &LogExpectation| match expected.level {
            Some(level) => format!("{level}: {}", expected.message),
            None => expected.message.to_string(),
        };
        let line = |(level, message): &(LogLevel, Bytes)| format!("{level}: {}", quoted(message));
        let all = || match &observed.logs[..] {
            [] => "none".to_owned(),
            lines => lines.iter().map(line).collect::<Vec<_>>().join(", "),
        };
        let named = expect.logs.as_deref().unwrap_or_default();
        for expected in
            named.iter().filter(|expected| !observed.logs.iter().any(|line| fits(expected, line)))
        {
            // The log is told whole with a test that fails; here the line that was perhaps meant.
            let likeness = |(_, message): &&(LogLevel, Bytes)| {
                let likeness = strsim::normalized_damerau_levenshtein(
                    &expected.message.text(),
                    &String::from_utf8_lossy(message),
                );
                (likeness * 1000.0).round() as u64
            };
            let found = match observed.logs.iter().max_by_key(likeness) {
                None => "no lines at all".to_owned(),
                Some(nearest) => format!(
                    "none of {} lines; the nearest is {}",
                    observed.logs.len(),
                    line(nearest)
                ),
            };
            self.differs("logs", "line", show(expected), found);
        }
        if expect.logs.as_ref().is_some_and(Vec::is_empty) && !observed.logs.is_empty() {
            return self.differs("logs", "lines", "none", all());
        }
        for unwanted in &expect.no_logs {
            if let Some(found) = observed.logs.iter().find(|line| fits(unwanted, line)) {
                self.differs(
                    "logs",
                    "line",
                    format!("nothing like {}", show(unwanted)),
                    line(found),
                );
            }
        }
        if self.strict {
            for found in observed
                .logs
                .iter()
                .filter(|line| !named.iter().any(|expected| fits(expected, line)))
            {
                self.differs("logs", "line, which the test does not name", "none", line(found));
            }
        }
    }

    fn metrics(&mut self, expected: &BTreeMap<String, u64>, found: &[(String, u64)]) {
        for (name, expected) in expected {
            let value = found.iter().find(|(have, _)| have == name).map(|(_, value)| *value);
            if value.unwrap_or(0) != *expected {
                let found =
                    value.map_or_else(|| "not defined".to_owned(), |value| value.to_string());
                self.differs("metrics", name.clone(), expected.to_string(), found);
            }
        }
        if self.strict {
            for (name, value) in
                found.iter().filter(|(name, value)| *value != 0 && !expected.contains_key(name))
            {
                self.differs(
                    "metrics",
                    format!("{name}, which the test does not name"),
                    "0",
                    value.to_string(),
                );
            }
        }
    }
}

fn paused(half: Half) -> &'static str {
    match half {
        Half::Request => "the request is paused",
        Half::Response => "the response is paused",
    }
}

/// What became of the request, in words.
fn tell(observed: &Observed) -> String {
    if let Some(reply) = &observed.reply {
        let details =
            if reply.details.is_empty() { String::new() } else { format!(" ({})", reply.details) };
        let who = reply.plugin.as_ref().map_or_else(
            || "the proxy".to_owned(),
            |name| format!("the plugin {}", quoted(name.as_bytes())),
        );
        return format!("{who} replied {}{details}", reply.status);
    }
    if observed.reset {
        return "the client's stream was reset".to_owned();
    }
    let status = observed
        .response
        .as_ref()
        .and_then(|response| response.headers.get(":status"))
        .map(String::from_utf8_lossy);
    match (observed.paused, status) {
        (Some(Half::Request), _) => "the request was paused".to_owned(),
        (Some(Half::Response), _) => "the response was paused".to_owned(),
        (None, Some(status)) if observed.forwarded.is_some() => {
            format!("the request went upstream, and the client got {status}")
        }
        (None, Some(status)) => format!("the client got {status}"),
        (None, None) => "the client got nothing".to_owned(),
    }
}
