//! The routes of environments: one by host for each name, or one virtual host for all.

use gatepost_engine::{EnvironmentResults, WrittenText};

use super::backends::Answer;
use super::host_route::Target;
use super::{Output, Routes};
use crate::RenderError;

/// The beginning of the name of a cluster, as Istio names those of Services.
const CLUSTER: &str = "outbound|";

impl Routes<'_> {
    pub(super) fn environments(&self, output: &mut Output) -> Result<(), RenderError> {
        let Some(environments) = &self.results.environments else { return Ok(()) };
        let Some(authority) = &environments.authority else {
            output.notes.push(
                "the environments have no hint in the authority: with `hints.authority` routes \
                 can select them by host, each in the same time"
                    .to_owned(),
            );
            return Ok(());
        };
        if let Some((header, _)) = cluster_header(environments) {
            let document = self.cluster_header(header, &authority.pattern())?;
            output.documents.push(document);
            return Ok(());
        }
        for name in &environments.names {
            match authority.for_environment(name) {
                Some(text) => self.environment(output, name, &text)?,
                None => {
                    output.notes.push(format!(
                        "`{}` depends on the request's host, too: its routes cannot be listed",
                        authority.pattern()
                    ));
                    break;
                }
            }
        }
        if environments.is_open {
            output.notes.push(format!(
                "the policy allows names that it does not list, and each needs a route: add the \
                 hint header `x-gatepost-cluster: \"{CLUSTER}PORT||{}\"`, and render again, for \
                 one route that serves any number of them",
                authority.pattern().replace('*', "{env}")
            ));
        }
        Ok(())
    }

    fn environment(
        &self,
        output: &mut Output,
        name: &str,
        authority: &str,
    ) -> Result<(), RenderError> {
        let about = format!("The environment {name}.");
        self.add_authority(output, authority, &about)
    }

    /// Adds the route for an authority, unless there is one.
    pub(super) fn add_authority(
        &self,
        output: &mut Output,
        authority: &str,
        about: &str,
    ) -> Result<(), RenderError> {
        let (host, _) = super::backends::split(authority);
        match self.backends.answer(authority) {
            Answer::Backend(backend) => {
                self.add_host(output, host, &Target::Service(backend), about)
            }
            Answer::Route(route) => {
                output.notes.push(format!(
                    "{host} has a route already: {} in {}",
                    route.origin,
                    route.origin.path.display()
                ));
                Ok(())
            }
            Answer::Unknown => {
                output.notes.push(format!(
                    "which Service answers {host} is not known, and no API server takes its \
                     route: name it in --services, or give the cluster's --manifests"
                ));
                let about = format!("{about}\nREPLACE ME: which Service answers it is not known.");
                self.add_host(output, host, &Target::Missing, &about)
            }
        }
    }
}

/// The hint header that names the cluster of an environment.
fn cluster_header(environments: &EnvironmentResults) -> Option<(&str, &WrittenText)> {
    let mut headers = environments.headers.iter();
    headers
        .find(|(_, value)| value.pattern().starts_with(CLUSTER))
        .map(|(name, value)| (name.as_str(), value))
}
