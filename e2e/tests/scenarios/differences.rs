//! Requests that the two gateways answered differently. Each test has a table of the known
//! differences with their reasons. A difference that is not in the table fails the test, and so
//! does a row whose difference is gone.

use std::collections::BTreeSet;
use std::fmt::Debug;

/// A request's name, and why the gateways may differ on it.
pub type Known = &'static [(&'static str, &'static str)];

pub struct Differences {
    known: Known,
    met: BTreeSet<String>,
    unknown: Vec<String>,
}

impl Differences {
    pub fn beside(known: Known) -> Self {
        Self { known, met: BTreeSet::new(), unknown: Vec::new() }
    }

    /// Compares what both gateways did with the request of that name.
    pub fn compare<T: PartialEq + Debug>(
        &mut self,
        policy: &str,
        name: &str,
        envoy: &T,
        embedded: &T,
    ) {
        if envoy == embedded {
            return;
        }
        if self.known.iter().any(|(known, _)| *known == name) {
            self.met.insert(name.to_owned());
            return;
        }
        let short = |seen: &T| format!("{seen:?}").chars().take(400).collect::<String>();
        self.unknown.push(format!(
            "{policy}: {name}\n  envoy    {}\n  embedded {}",
            short(envoy),
            short(embedded)
        ));
    }

    pub fn assert_all_known(self) {
        let gone: Vec<&str> = self
            .known
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !self.met.contains(*name))
            .collect();
        assert!(
            self.unknown.is_empty(),
            "{} differences\n{}",
            self.unknown.len(),
            self.unknown.join("\n")
        );
        // The tables hold for the pinned release only.
        let is_pinned = std::env::var_os(gatepost_e2e::RELEASE).is_none();
        assert!(
            !is_pinned || gone.is_empty(),
            "no difference any more, so take it out of the table: {gone:#?}"
        );
    }
}
