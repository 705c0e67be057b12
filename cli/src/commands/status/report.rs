//! What the gateways say, each with the state that follows: `gatepost.status/v1` for programs.

use std::collections::BTreeMap;

use gatepost_status::ask::AskError;
use gatepost_status::{Count, Plugin, Shown};
use serde::Serialize;

use super::targets::{Target, without_user};

/// The policy that gateways are to run.
pub struct Wanted {
    pub fingerprint: Option<u64>,
    /// The one plugin that is meant.
    pub plugin: Option<String>,
}

/// How a gateway is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It runs the wanted policy, or, if none is wanted, a policy.
    Runs,
    /// It runs another policy.
    RunsAnother,
    /// It runs none.
    RunsNone,
    /// The pod takes no requests.
    NotReady,
    /// It does not answer, or with something else than statistics.
    Silent,
}

/// One gateway.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    pub name: String,
    pub url: Option<String>,
    pub state: State,
    /// Why it is silent.
    pub error: Option<String>,
    pub plugins: Vec<Plugin>,
    pub counts: Vec<Count>,
    pub failures: BTreeMap<String, u64>,
    pub refused_policies: u64,
    pub refused_listeners: u64,
    pub failed_fetches: u64,
    pub sent_plugins: u64,
}

impl Gateway {
    /// Judges the answer of a target; none if it was not asked.
    pub fn of(target: &Target, answer: Option<Result<Shown, AskError>>, wanted: &Wanted) -> Self {
        let (shown, error) = match answer {
            Some(Ok(shown)) => (Some(shown), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, Some("the pod has no address".to_owned())),
        };
        let plugin = wanted.plugin.as_deref();
        let state = match &shown {
            _ if !target.is_ready => State::NotReady,
            None => State::Silent,
            Some(shown) if shown.of(plugin).next().is_none() => State::RunsNone,
            Some(shown) if wanted.fingerprint.is_some_and(|number| !shown.has(number, plugin)) => {
                State::RunsAnother
            }
            Some(_) => State::Runs,
        };
        let mut shown = shown.unwrap_or_default();
        shown.plugins = shown.of(plugin).cloned().collect();
        Self {
            name: target.name.clone(),
            url: target.url.as_deref().map(without_user),
            state,
            error,
            plugins: shown.plugins,
            counts: shown.counts,
            failures: shown.failures,
            refused_policies: shown.refused_policies,
            refused_listeners: shown.refused_listeners,
            failed_fetches: shown.failed_fetches,
            sent_plugins: shown.sent_plugins,
        }
    }
}

/// All gateways.
#[derive(Serialize)]
pub struct Report {
    version: &'static str,
    /// The fingerprint of the wanted policy.
    pub policy: Option<u64>,
    /// Whether all that run policies run the same.
    pub agree: bool,
    pub gateways: Vec<Gateway>,
}

impl Report {
    pub fn of(gateways: Vec<Gateway>, wanted: &Wanted) -> Self {
        let mut policies = gateways.iter().map(|gateway| &gateway.plugins);
        let mut running = policies.by_ref().filter(|plugins| !plugins.is_empty());
        let first = running.next();
        let agree = running.all(|plugins| Some(plugins) == first);
        Self { version: "gatepost.status/v1", policy: wanted.fingerprint, agree, gateways }
    }

    /// Whether all gateways run what they are to run.
    pub fn is_fine(&self) -> bool {
        let run = self.gateways.iter().all(|gateway| gateway.state == State::Runs);
        run && (self.agree || self.policy.is_some())
    }

    pub fn json(&self) -> String {
        // The report has only strings as keys, so writing it does not fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}
