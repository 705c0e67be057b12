//! What a policy makes of requests: the authorities, paths and hint headers that its decisions
//! write. A gateway needs a route for each of them, and tools that write or check routes read them
//! here.

use std::collections::BTreeSet;

use crate::health_check::Action;
use crate::host::{Target, Template, Values};
use crate::policy::Policy;

/// What the decisions of a policy write, each thing once, in an order that only the policy decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// The health checks that rewrite, in the policy's order.
    pub rewrites: Vec<ProbeRewrite>,
    /// The hints of environments, when the policy has environments.
    pub environments: Option<EnvironmentResults>,
    /// The authorities that mappings write, sorted.
    pub mapped: Vec<WrittenText>,
    /// Whether hosts are refused that a cluster's own services have.
    pub has_private_hosts: bool,
    /// Whether health checks are all that the policy decides on: it changes no client's request.
    /// Refusing an invalid authority does not count, because every policy does.
    pub is_of_probes_alone: bool,
}

/// What a health check makes of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRewrite {
    /// The check's name.
    pub check: String,
    /// The authority, in canonical form; without one the probe keeps its own.
    pub authority: Option<String>,
    /// The path; without one the probe keeps its own.
    pub path: Option<String>,
}

/// What the choice of an environment writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentResults {
    /// The environments that are listed, sorted. An alias counts as the environment that it means.
    pub names: Vec<String>,
    /// Whether other names are environments, too, because a pattern allows them or there is no
    /// list.
    pub is_open: bool,
    /// The hint in the authority.
    pub authority: Option<WrittenText>,
    /// The hint headers: each with its name and its value, in the policy's order.
    pub headers: Vec<(String, WrittenText)>,
}

/// A text that a decision writes, with placeholders in it where it depends on the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenText(Template);

impl WrittenText {
    /// The text, if it is the same for every request.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        self.0.as_literal()
    }

    /// The text for an environment, if it depends on nothing else.
    #[must_use]
    pub fn for_environment(&self, name: &str) -> Option<String> {
        let values = Values { env: Some(name.as_bytes()), ..Values::default() };
        String::from_utf8(self.0.expand(values)?.into_owned()).ok()
    }

    /// The text with `*` for each placeholder. A `*` stands for one label, or, for `{host}`, for a
    /// whole host.
    #[must_use]
    pub fn pattern(&self) -> String {
        self.0.with_stars()
    }
}

impl Policy {
    /// What the policy's decisions write.
    #[must_use]
    pub fn results(&self) -> Results {
        Results {
            rewrites: self.rewrites(),
            environments: self.environment_results(),
            mapped: self.mapped(),
            has_private_hosts: !self.hosts.private.is_empty(),
            is_of_probes_alone: self.environments.is_none()
                && !self.hosts.decides()
                && !self.headers.has_guarded(),
        }
    }

    fn rewrites(&self) -> Vec<ProbeRewrite> {
        let rewrites = self.health_checks.iter().filter_map(|check| match &check.action {
            Action::Rewrite { authority, path } => Some(ProbeRewrite {
                check: check.name.to_string(),
                authority: authority.as_deref().map(str::to_owned),
                path: path.as_deref().map(str::to_owned),
            }),
            Action::Respond { .. } | Action::Pass => None,
        });
        rewrites.collect()
    }

    fn environment_results(&self) -> Option<EnvironmentResults> {
        let environments = self.environments.as_ref()?;
        let listed = environments.names.iter().filter_map(|(_, name)| {
            let meant = environments.names.resolve(name)?;
            String::from_utf8(meant.name.into_owned()).ok()
        });
        let default = environments.default_environment();
        let default = default.and_then(|meant| String::from_utf8(meant.name.into_owned()).ok());
        let names: BTreeSet<String> = listed.chain(default).collect();
        let headers = environments
            .hints
            .headers
            .iter()
            .map(|hint| (hint.name.to_string(), WrittenText(hint.template.clone())));
        Some(EnvironmentResults {
            names: names.into_iter().collect(),
            is_open: environments.names.allows_unlisted_names() && environments.has_sources(),
            authority: environments.hints.authority.clone().map(WrittenText),
            headers: headers.collect(),
        })
    }

    fn mapped(&self) -> Vec<WrittenText> {
        let targets = self.hosts.mappings.iter().filter_map(|mapping| {
            let template = match self.hosts.target(&mapping)? {
                Target::Text(text) => Template::Literal(std::str::from_utf8(text).ok()?.into()),
                Target::Template(template) => template.clone(),
            };
            Some((template.with_stars(), WrittenText(template)))
        });
        let mut targets: Vec<(String, WrittenText)> = targets.collect();
        targets.sort_by(|(a, _), (b, _)| a.cmp(b));
        targets.dedup_by(|(a, _), (b, _)| a == b);
        targets.into_iter().map(|(_, text)| text).collect()
    }
}
