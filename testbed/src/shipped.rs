//! The policies that ship and their tests, built into the program: `demo` needs no files.

use gatepost_authoring::{PolicyFile, Report, Suite};

/// A policy and its tests, as text.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// The folder's name under `policies/`.
    pub name: &'static str,
    policy: &'static str,
    tests: &'static str,
}

macro_rules! shipped {
    ($($name:literal),*) => {
        &[$(Shipped {
            name: $name,
            policy: include_str!(concat!("../../policies/", $name, "/policy.yaml")),
            tests: include_str!(concat!("../../policies/", $name, "/tests.yaml")),
        }),*]
    };
}

/// Every policy under `policies/`.
pub const ALL: &[Shipped] =
    shipped!["knative-gclb", "asm-grpc-env", "external-mesh", "neg-shared-vpc", "all-in-one"];

impl Shipped {
    /// The policy and its tests, read.
    ///
    /// # Errors
    /// The errors in them. A test ensures that there are none.
    pub fn read(&self) -> Result<(PolicyFile, Suite), Report> {
        let policy =
            PolicyFile::parse(&format!("policies/{}/policy.yaml", self.name), self.policy)?;
        let suite = Suite::parse(&format!("policies/{}/tests.yaml", self.name), self.tests)?;
        Ok((policy, suite))
    }

    /// The title: the comment with which the policy begins, as one line.
    #[must_use]
    pub fn title(&self) -> String {
        let comment = self.policy.lines().map_while(|line| line.strip_prefix("# "));
        comment.collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_folder_of_policies_is_shipped_and_reads_without_a_fault() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
        let folders: BTreeSet<String> = std::fs::read_dir(folder)
            .expect("the folder is there")
            .filter_map(|entry| Some(entry.ok()?).filter(|entry| entry.path().is_dir()))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(folders, ALL.iter().map(|shipped| shipped.name.to_owned()).collect());
        for shipped in ALL {
            let (_, suite) = shipped.read().unwrap_or_else(|report| panic!("{report:?}"));
            assert!(suite.cases.len() >= 12, "{} has too few tests", shipped.name);
            assert!(shipped.title().len() > 20, "{} does not say what it is", shipped.name);
        }
    }

    #[test]
    fn a_title_is_the_whole_sentence_that_the_policy_begins_with() {
        let shipped = ALL.iter().find(|shipped| shipped.name == "external-mesh");
        let title = shipped.expect("the policy ships").title();
        assert!(title.starts_with("Cloud Run services call"), "{title}");
        assert!(title.ends_with("`mesh.private`"), "{title}");
    }
}
