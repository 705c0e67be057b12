//! Compares what happened in a test with what is expected. Of a test that is not strict, only what
//! it names is compared. Of a strict one everything is: what it does not name must have passed
//! unchanged, and must not have happened.

mod calls;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use gatepost_diagnostics::Diagnostic;
use gatepost_host::LogLevel;

use super::model::{Expect, Forward, Paused, Response};
use super::observed::Observed;
use super::values::{LogExpectation, Matcher, Outcome};
use crate::quote::quoted;
use crate::report::mismatch;

/// Everything in which an exchange differs from what is expected of it.
pub(super) fn judge(expect: &Expect, strict: bool, observed: &Observed) -> Vec<Diagnostic> {
    let mut judge = Judge { strict, mismatches: observed.mismatches.clone() };
    judge.all(expect, observed);
    judge.mismatches
}

struct Judge {
    strict: bool,
    mismatches: Vec<Diagnostic>,
}

impl Judge {
    fn differs(
        &mut self,
        at: &str,
        what: impl std::fmt::Display,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.mismatches.push(mismatch(at, what, expected, found));
    }

    fn all(&mut self, expect: &Expect, observed: &Observed) {
        self.occurrence(
            "start",
            ["a plugin that does not start", "every plugin starts"],
            expect.refused.as_ref(),
            observed.refused.as_slice(),
        );
        if observed.refused.is_none() {
            self.occurrence(
                "outcome",
                ["a trap", "no trap"],
                expect.trapped.as_ref(),
                &observed.traps,
            );
            self.exchange(expect, observed);
            self.calls(expect, observed);
        }
        self.logs(expect, observed);
        self.metrics(&expect.metrics, &observed.metrics);
    }

    /// Compares something that happens with a text, as a trap does, or does not happen.
    fn occurrence(
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
        // A reply is not compared with what the upstream answered.
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
            let word = |cleared| if cleared { "cleared" } else { "kept" };
            self.differs(
                "forward",
                "route cache",
                word(expected),
                word(observed.route_cache_cleared),
            );
        }
    }

    /// Where the request went.
    fn outcome(&mut self, expect: &Expect, observed: &Observed) {
        let found = describe(observed);
        let replied = observed.reply.is_some();
        if expect.reply.is_some() != replied && (expect.reply.is_some() || self.strict) {
            let expected = if replied {
                "no answer in the upstream's place"
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
        // A test that expects a message expects its end, too.
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
            // The report of a failed test has the whole log; here is the line that is most alike.
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

fn paused(half: Paused) -> &'static str {
    match half {
        Paused::Request => "the request is paused",
        Paused::Response => "the response is paused",
    }
}

/// Where the request went, in words.
fn describe(observed: &Observed) -> String {
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
        (Some(Paused::Request), _) => "the request was paused".to_owned(),
        (Some(Paused::Response), _) => "the response was paused".to_owned(),
        (None, Some(status)) if observed.forwarded.is_some() => {
            format!("the request went upstream, and the client got {status}")
        }
        (None, Some(status)) => format!("the client got {status}"),
        (None, None) => "the client got nothing".to_owned(),
    }
}
