//! The policies that the arms carry out: two of those that ship, with as many mappings or
//! environments as a size names.

use std::path::PathBuf;

use gatepost_authoring::PolicyFile;
use serde_json::{Value, json};

use crate::error::BenchError;

/// A policy that ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// `knative-gclb`: a probe, headers to strip, private hosts, host mappings.
    Knative,
    /// `asm-grpc-env`: environments named by a header, private hosts.
    Environments,
}

/// Both of them.
pub const SHAPES: [Shape; 2] = [Shape::Knative, Shape::Environments];

/// How much a policy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Host mappings of [`Shape::Knative`].
    pub mappings: usize,
    /// Environments of [`Shape::Environments`].
    pub environments: usize,
}

/// The host that the shipped policy maps, and its authority: the first mapping of every size.
pub const SHIPPED_MAPPING: (&str, &str) = ("my-service.test.com", "my-service.default.example.com");

/// The environment of a request that names none.
pub const DEFAULT_ENVIRONMENT: &str = "env1";

/// A mapping: the host of a customer, and the authority of its service. The first is shipped.
#[must_use]
pub fn mapping(number: usize) -> (String, String) {
    match number {
        0 => (SHIPPED_MAPPING.0.to_owned(), SHIPPED_MAPPING.1.to_owned()),
        _ => (format!("s{number}.test.com"), format!("s{number}.default.example.com")),
    }
}

/// An environment. The first is the default.
#[must_use]
pub fn environment(number: usize) -> String {
    format!("env{}", number + 1)
}

/// The authority that an environment's hint gives.
#[must_use]
pub fn environment_authority(environment: &str) -> String {
    format!("app-service.{environment}.svc.cluster.local:50051")
}

impl Shape {
    /// The policy's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Knative => "knative-gclb",
            Self::Environments => "asm-grpc-env",
        }
    }

    /// The shipped policy as the filter receives it, but with the mappings or environments of the
    /// size.
    ///
    /// # Errors
    /// When it is not there, or is wrong.
    pub fn configuration(self, size: Size) -> Result<String, BenchError> {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies"))
            .join(self.name())
            .join("policy.yaml");
        let unexpected = |error: serde_json::Error| BenchError::Process {
            what: path.display().to_string(),
            error: error.into(),
        };
        let mut document: Value =
            serde_json::from_str(&PolicyFile::read(&path)?.json).map_err(unexpected)?;
        match self {
            Self::Knative => {
                let mappings: Vec<Value> = (0..size.mappings)
                    .map(|number| {
                        let (host, authority) = mapping(number);
                        json!({ "host": host, "authority": authority })
                    })
                    .collect();
                document["hosts"]["mappings"] = mappings.into();
            }
            Self::Environments => {
                document["environments"]["allow"] =
                    (0..size.environments).map(environment).collect();
            }
        }
        Ok(document.to_string())
    }

    /// The same for Envoy's Lua filter: a table with the script after it.
    #[must_use]
    pub fn lua(self, size: Size) -> String {
        let table = |name: &str, pairs: &mut dyn Iterator<Item = (String, String)>| {
            let rows: String =
                pairs.map(|(key, value)| format!("  [\"{key}\"] = \"{value}\",\n")).collect();
            format!("local {name} = {{\n{rows}}}\n")
        };
        let requests = match self {
            Self::Knative => {
                table("mappings", &mut (0..size.mappings).map(mapping))
                    + include_str!("../../lua/knative-gclb.lua")
            }
            Self::Environments => {
                let authorities = (0..size.environments).map(environment).map(|name| {
                    let authority = environment_authority(&name);
                    (name, authority)
                });
                table("authorities", &mut authorities.into_iter())
                    + include_str!("../../lua/asm-grpc-env.lua")
            }
        };
        requests + include_str!("../../lua/responses.lua")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mapping_is_the_shipped_one() {
        let document: Value = serde_json::from_str(&policy(Shape::Knative)).unwrap();
        assert_eq!(
            document["hosts"]["mappings"][0],
            json!({ "host": SHIPPED_MAPPING.0, "authority": SHIPPED_MAPPING.1 })
        );
        assert_eq!(document["hosts"]["mappings"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn the_default_environment_is_the_shipped_ones_and_is_allowed() {
        let document: Value = serde_json::from_str(&policy(Shape::Environments)).unwrap();
        assert_eq!(document["environments"]["default"], DEFAULT_ENVIRONMENT);
        assert_eq!(document["environments"]["allow"], json!(["env1", "env2", "env3", "env4"]));
        let hint = document["environments"]["hints"]["authority"]
            .as_str()
            .unwrap()
            .replace("{env}", DEFAULT_ENVIRONMENT);
        assert_eq!(hint, environment_authority(DEFAULT_ENVIRONMENT));
    }

    #[test]
    fn every_generated_policy_compiles() {
        for shape in SHAPES {
            gatepost_authoring::PolicyFile::parse("generated", &policy(shape)).unwrap();
        }
    }

    fn policy(shape: Shape) -> String {
        shape.configuration(Size { mappings: 3, environments: 4 }).unwrap()
    }
}
