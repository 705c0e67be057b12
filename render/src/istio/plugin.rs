//! The description of a plugin, from which each of Istio's objects is rendered.

use serde::Serialize;

use super::attachment::Attachment;
use super::module_source::ModuleSource;
use super::version::IstioVersion;
use crate::yaml::{Noted, noted};
use crate::{FailurePolicy, RenderError, Rendered, size};

/// The filter in a gateway of Istio's.
#[derive(Clone, Debug)]
pub struct Plugin<'a> {
    /// The object's name, by which Envoy tells plugins apart.
    pub name: &'a str,
    /// The object's namespace: the gateway's, because a selector counts in its own namespace only
    /// (but in Istio's root namespace).
    pub namespace: &'a str,
    /// Which gateways.
    pub attachment: Attachment,
    /// Which of their listeners, by port: the `targetPort` of the Service. Without ports all,
    /// cluster-local ones included.
    pub ports: &'a [u16],
    /// Where the module comes from.
    pub module: &'a ModuleSource,
    /// A Secret with the credentials of the image's registry, in the same namespace.
    pub pull_secret: Option<&'a str>,
    /// The place among the gateway's filters.
    pub phase: Phase,
    /// The order among plugins of one phase: the highest number runs first. 0 if not given.
    pub priority: Option<i32>,
    /// What happens to requests after the module trapped.
    pub on_failure: FailurePolicy,
    /// The policy, in JSON.
    pub policy: &'a str,
    /// The release that the object is for.
    pub istio: IstioVersion,
}

/// The place of a plugin among a gateway's filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Before Istio's authentication filters: a probe brings no token, and authorization sees the
    /// host that the policy wrote.
    #[default]
    Authn,
    /// After authentication, before authorization.
    Authz,
    /// After authorization, before the statistics.
    Stats,
}

impl Phase {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Authn => "AUTHN",
            Self::Authz => "AUTHZ",
            Self::Stats => "STATS",
        }
    }

    pub(super) fn noted(self) -> Noted<&'static str> {
        let comment = match self {
            Self::Authn => "before authentication, which probes cannot pass",
            Self::Authz => "after authentication: a probe must pass it",
            Self::Stats => "after authorization, which sees the client's host",
        };
        noted(self.text(), comment)
    }
}

impl Plugin<'_> {
    /// Whether everything was chosen.
    pub(super) fn is_complete(&self) -> bool {
        *self.module != ModuleSource::Missing
    }

    /// # Errors
    /// When this release of Istio has no such strategy.
    pub(super) fn fail_strategy(&self) -> Result<Noted<&'static str>, RenderError> {
        if self.on_failure == FailurePolicy::Reload && self.istio < IstioVersion::FAIL_RELOAD {
            let needs = IstioVersion::FAIL_RELOAD;
            return Err(RenderError::NeedsIstio { what: "FAIL_RELOAD", needs, has: self.istio });
        }
        let comment = match self.on_failure {
            FailurePolicy::Closed => "503 after a failure, until the pod restarts",
            FailurePolicy::Reload => "503 after a failure, until the VM is built anew, a second",
            FailurePolicy::Open => "UNSAFE: after a failure requests pass unchecked",
        };
        Ok(noted(self.on_failure.of_istio(), comment))
    }

    /// The criteria by which the plugin applies to some listeners only.
    pub(super) fn matches(&self) -> Option<[TrafficSelector; 1]> {
        if self.ports.is_empty() {
            return None;
        }
        let comments = std::iter::once("a listener's port: the Service's targetPort, not its port")
            .chain(std::iter::repeat(""));
        let ports = self.ports.iter().zip(comments).map(|(port, comment)| PortSelector {
            number: if comment.is_empty() {
                Number::Plain(*port)
            } else {
                Number::Noted(noted(*port, comment))
            },
        });
        Some([TrafficSelector {
            mode: noted("CLIENT", "what a gateway's traffic counts as; SERVER never matches"),
            ports: ports.collect(),
        }])
    }

    /// The text above an object.
    pub(super) fn about(&self, kind: &str, needs: IstioVersion) -> String {
        let oldest = match self.on_failure {
            FailurePolicy::Reload => needs.max(IstioVersion::FAIL_RELOAD),
            FailurePolicy::Closed | FailurePolicy::Open => needs,
        };
        let listeners = match self.ports {
            [] => "All listeners, those inside the cluster included.".to_owned(),
            [only] => format!("The listeners on {only}."),
            [others @ .., last] => {
                let others: Vec<String> = others.iter().map(u16::to_string).collect();
                format!("The listeners on {} and {last}.", others.join(", "))
            }
        };
        format!(
            "Gatepost for {}, as {kind} of Istio {oldest} or newer.\n{listeners}\n\
             kubectl does not see a mistake in the policy, and a gateway that runs keeps its old \
             one: before `kubectl apply --server-side`, run `gatepost check` on the policy.",
            self.attachment.describe()
        )
    }

    /// An object's text with what is to be done about it. `size` is that of the object in JSON.
    pub(super) fn rendered(
        &self,
        kind: &'static str,
        text: String,
        size: usize,
    ) -> Result<Rendered, RenderError> {
        let mut notes = Vec::new();
        if !self.is_complete() {
            notes.push(format!(
                "the {kind} has a placeholder where the module's URL belongs, and no API server \
                 takes it: give --image, --url or --file"
            ));
        }
        if self.on_failure == FailurePolicy::Open {
            notes.push(
                "FAIL_OPEN lets every request pass unchecked when the module fails or cannot be \
                 fetched"
                    .to_owned(),
            );
        }
        notes.extend(size::check(kind, size)?);
        Ok(Rendered { text, notes })
    }
}

/// `WasmPlugin.TrafficSelector`.
#[derive(Serialize)]
pub(super) struct TrafficSelector {
    mode: Noted<&'static str>,
    ports: Vec<PortSelector>,
}

#[derive(Serialize)]
struct PortSelector {
    number: Number,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Plain(u16),
    Noted(Noted<u16>),
}
