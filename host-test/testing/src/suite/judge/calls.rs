//! Calls in order: those that the plugins sent out, and those that they made to their host.

use std::ops::Range;

use gatepost_host::{Recorded, RecordedEvent};

use super::Judge;
use crate::suite::effects;
use crate::suite::model::{Expect, Hostcall, SentCallout};
use crate::suite::observed::{Called, Observed};
use crate::suite::values::Matcher;

impl Judge {
    pub(super) fn calls(&mut self, expect: &Expect, observed: &Observed) {
        if let Some(expected) = expect.callouts.as_deref().or(self.strict.then_some(&[])) {
            self.callouts(expected, &observed.callouts);
        }
        if let Some(expected) = expect.effects.as_deref() {
            let calls = observed
                .effects
                .iter()
                .filter(|effect| matches!(effect.event, RecordedEvent::Called { .. }));
            let calls: Vec<&Recorded> = calls.collect();
            let fits = |expected: &Hostcall, call: &&Recorded| effects::fits(expected, call);
            let pairs = self
                .pair(expected, &calls, fits, |expected, call| effects::has_name(expected, call));
            for (at, call) in pairs {
                let expected = at.and_then(|at| expected.get(at));
                let call = call.and_then(|call| calls.get(call)).map(|call| effects::event(call));
                self.unlike("effects", "hostcall", at, expected.map(effects::show), call);
            }
        }
    }

    /// Expected calls are found in order. There may be others between them, but not in a strict
    /// test.
    fn callouts(&mut self, expected: &[SentCallout], found: &[Called]) {
        let mismatches = |expected: &SentCallout, called: &Called| {
            let mut judge = Judge { strict: false, mismatches: Vec::new() };
            judge.called("", expected, called);
            judge.mismatches
        };
        let fits =
            |expected: &SentCallout, called: &Called| mismatches(expected, called).is_empty();
        let is_like = |expected: &SentCallout, called: &Called| {
            expected
                .cluster
                .as_ref()
                .is_none_or(|cluster| cluster.matches(Some(called.cluster.as_bytes())))
        };
        for (at, call) in self.pair(expected, found, fits, is_like) {
            let call = call.and_then(|call| found.get(call));
            match (at, at.and_then(|at| expected.get(at)), call) {
                // The parts that differ say more than the whole call.
                (Some(at), Some(expected), Some(call)) => {
                    self.called(&format!("callouts[{at}]"), expected, call);
                }
                (at, expected, call) => {
                    self.unlike("callouts", "call", at, expected.map(show), call.map(shown));
                }
            }
        }
    }

    fn called(&mut self, at: &str, expected: &SentCallout, called: &Called) {
        let SentCallout { cluster, path, headers, body } = expected;
        if let Some(cluster) = cluster {
            self.value(at, "cluster", cluster, Some(called.cluster.as_bytes()));
        }
        if let Some(path) = path {
            self.value(at, "path", path, Some(called.path.as_bytes()));
        }
        self.headers(at, headers, &[], &called.headers);
        if let Some(body) = body {
            self.value(at, "body", body, Some(&called.body));
        }
    }

    fn unlike(
        &mut self,
        at: &str,
        what: &str,
        number: Option<usize>,
        expected: Option<String>,
        found: Option<String>,
    ) {
        let place = number.map_or_else(|| at.to_owned(), |number| format!("{at}[{number}]"));
        let what = if number.is_some() {
            what.to_owned()
        } else {
            format!("{what}, which the test does not name")
        };
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        self.differs(&place, what, or_none(expected), or_none(found));
    }

    /// What is not as expected: the index of an expected call, and of the call that came instead,
    /// where there are such. A test that is not strict allows calls that it does not name, unless
    /// it expects that there are none.
    fn pair<E, F>(
        &self,
        expected: &[E],
        found: &[F],
        fits: impl Fn(&E, &F) -> bool,
        is_like: impl Fn(&E, &F) -> bool,
    ) -> Vec<Pair> {
        let is_tolerant = !self.strict && !expected.is_empty();
        let mut pairs = Vec::new();
        for (e, f) in gaps(expected, found, fits) {
            // Of the calls between two that fit, those that are alike are paired, and the others in
            // order.
            let (begin_e, begin_f) = (e.start, f.start);
            let (of_e, of_f) =
                (expected.get(e).unwrap_or_default(), found.get(f).unwrap_or_default());
            let mut like = in_common(of_e, of_f, &is_like).into_iter();
            for (e, f) in gaps(of_e, of_f, &is_like) {
                let (mut e, mut f) = (e.map(|e| begin_e + e), f.map(|f| begin_f + f));
                loop {
                    match (e.next(), f.next()) {
                        (None, None) => break,
                        (None, Some(_)) if is_tolerant => {}
                        pair => pairs.push(pair),
                    }
                }
                pairs.extend(like.next().map(|(e, f)| (Some(begin_e + e), Some(begin_f + f))));
            }
        }
        pairs
    }
}

/// The number of an expected call, and of one that was made.
type Pair = (Option<usize>, Option<usize>);

/// The ranges on both sides before, between and after the pairs that fit.
fn gaps<E, F>(
    expected: &[E],
    found: &[F],
    fits: impl Fn(&E, &F) -> bool,
) -> Vec<(Range<usize>, Range<usize>)> {
    let (mut e, mut f) = (0, 0);
    let ends = in_common(expected, found, fits).into_iter().chain([(expected.len(), found.len())]);
    ends.map(|(next_e, next_f)| {
        (
            std::mem::replace(&mut e, next_e + 1)..next_e,
            std::mem::replace(&mut f, next_f + 1)..next_f,
        )
    })
    .collect()
}

/// The longest list of pairs that fit, both sides in order.
fn in_common<E, F>(
    expected: &[E],
    found: &[F],
    fits: impl Fn(&E, &F) -> bool,
) -> Vec<(usize, usize)> {
    let width = found.len() + 1;
    // How many pairs there are from each position on. One row and one column more than there are
    // calls.
    let mut longest = vec![0_u32; (expected.len() + 1) * width];
    let mut fit = vec![false; expected.len() * width];
    for e in (0..expected.len()).rev() {
        for f in (0..found.len()).rev() {
            let at = e * width + f;
            fit[at] = fits(&expected[e], &found[f]);
            let taken = if fit[at] { longest[at + width + 1] + 1 } else { 0 };
            longest[at] = taken.max(longest[at + 1]).max(longest[at + width]);
        }
    }
    let (mut pairs, mut e, mut f) = (Vec::new(), 0, 0);
    while e < expected.len() && f < found.len() {
        let at = e * width + f;
        if fit[at] && longest[at] == longest[at + width + 1] + 1 {
            pairs.push((e, f));
            (e, f) = (e + 1, f + 1);
        } else if longest[at] == longest[at + 1] {
            f += 1;
        } else {
            e += 1;
        }
    }
    pairs
}

fn show(expected: &SentCallout) -> String {
    let SentCallout { cluster, path, headers, body } = expected;
    let part = |what: &str, matcher: &Option<Matcher>| {
        matcher.as_ref().map(|matcher| format!("{what} {matcher}"))
    };
    let headers = headers.iter().map(|(name, matcher)| format!("header {name}: {matcher}"));
    let first = [part("cluster", cluster), part("path", path)].into_iter().flatten();
    let parts: Vec<String> = first.chain(headers).chain(part("body", body)).collect();
    if parts.is_empty() { "a call".to_owned() } else { format!("a call with {}", parts.join(", ")) }
}

fn shown(called: &Called) -> String {
    format!("{} {}", called.cluster, called.path)
}
