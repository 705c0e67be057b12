//! The ConfigMaps and Secrets of a pod's namespace.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;

use super::error::PodError;

/// What a pod's volumes and variables may name.
#[derive(Clone, Copy, Debug)]
pub(in crate::mesh) struct Lookup<'a> {
    pub namespace: &'a str,
    pub config_maps: &'a [ConfigMap],
    pub secrets: &'a [Secret],
}

type Data = BTreeMap<String, Vec<u8>>;

impl Lookup<'_> {
    /// The texts and bytes of a ConfigMap; `None` when it is optional and missing.
    pub fn config_map(&self, name: &str, optional: Option<bool>) -> Result<Option<Data>, PodError> {
        let found = self.find(self.config_maps, "ConfigMap", name, optional)?;
        Ok(found.map(|map| {
            let texts = map.data.iter().flatten();
            let texts = texts.map(|(key, value)| (key.clone(), value.clone().into_bytes()));
            texts.chain(bytes(map.binary_data.as_ref())).collect()
        }))
    }

    /// The bytes of a Secret; `None` when it is optional and missing.
    pub fn secret(&self, name: &str, optional: Option<bool>) -> Result<Option<Data>, PodError> {
        let found = self.find(self.secrets, "Secret", name, optional)?;
        Ok(found.map(|secret| bytes(secret.data.as_ref()).collect()))
    }

    fn find<'b, T: ResourceExt>(
        &self,
        all: &'b [T],
        kind: &'static str,
        name: &str,
        optional: Option<bool>,
    ) -> Result<Option<&'b T>, PodError> {
        let is_it = |object: &&T| {
            object.name_any() == name && object.namespace().as_deref() == Some(self.namespace)
        };
        match all.iter().find(is_it) {
            None if optional != Some(true) => Err(PodError::Missing {
                kind,
                name: name.to_owned(),
                namespace: self.namespace.to_owned(),
            }),
            found => Ok(found),
        }
    }
}

fn bytes(
    data: Option<&BTreeMap<String, ByteString>>,
) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    data.into_iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()))
}
