//! Volumes: what files they have, and the folder that a pod sees. An update replaces all files of a
//! volume at once, as a kubelet does it: they are below a folder that the symbolic link `..data`
//! names, and the link is swapped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccount, Volume as Specification,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};

use super::error::PodError;
use super::field;
use super::lookup::Lookup;

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A service account's token, and when it must be a new one.
#[derive(Debug)]
struct Token {
    text: String,
    renew: Instant,
}

/// A volume of a running pod.
#[derive(Debug)]
pub(super) struct Volume {
    specification: Specification,
    folder: PathBuf,
    written: Option<Files>,
    writes: u32,
    tokens: BTreeMap<String, Token>,
}

impl Volume {
    /// Makes its folder below `parent`, without files.
    pub fn new(specification: &Specification, parent: &Path) -> Result<Self, PodError> {
        let folder = parent.join(&specification.name);
        let write = |source| PodError::Write { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(write)?;
        let specification = specification.clone();
        Ok(Self { specification, folder, written: None, writes: 0, tokens: BTreeMap::new() })
    }

    pub fn name(&self) -> &str {
        &self.specification.name
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes its files, when they are others than the last ones.
    pub async fn refresh(
        &mut self,
        client: &Client,
        pod: &Pod,
        lookup: &Lookup<'_>,
    ) -> Result<(), PodError> {
        let Some(mut files) = files(&self.specification, pod, lookup)? else {
            return Ok(());
        };
        for source in
            self.specification.projected.iter().flat_map(|all| all.sources.iter().flatten())
        {
            let Some(wanted) = &source.service_account_token else { continue };
            let is_old = |token: &Token| Instant::now() >= token.renew;
            if self.tokens.get(&wanted.path).is_none_or(is_old) {
                let audience = wanted.audience.clone();
                let token = token(client, pod, audience, wanted.expiration_seconds).await?;
                self.tokens.insert(wanted.path.clone(), token);
            }
        }
        for (path, token) in &self.tokens {
            files.insert(path.into(), token.text.clone().into_bytes());
        }
        if self.written.as_ref() != Some(&files) {
            self.writes += 1;
            let write = |source| PodError::Write { path: self.folder.clone(), source };
            replace(&self.folder, self.writes, &files).map_err(write)?;
            self.written = Some(files);
        }
        Ok(())
    }
}

async fn token(
    client: &Client,
    pod: &Pod,
    audience: Option<String>,
    seconds: Option<i64>,
) -> Result<Token, PodError> {
    let namespace = pod.namespace().unwrap_or_default();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    let account = field::of_pod(pod, "spec.serviceAccountName")?;
    let seconds = seconds.unwrap_or(3600);
    let request = TokenRequest {
        metadata: ObjectMeta::default(),
        spec: Some(TokenRequestSpec {
            audiences: audience.map(|audience| vec![audience]),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.uid(),
            }),
            expiration_seconds: Some(seconds),
        }),
        status: None,
    };
    let answer = accounts.create_token_request(&account, &PostParams::default(), &request).await?;
    let text = answer.status.and_then(|status| status.token).unwrap_or_default();
    // A kubelet asks again when a fifth of the time is left.
    let life = Duration::from_secs(u64::try_from(seconds).unwrap_or_default() * 4 / 5);
    Ok(Token { text, renew: Instant::now() + life })
}

/// The files of a volume but for tokens; `None` for a folder that the pod itself writes to.
fn files(
    volume: &Specification,
    pod: &Pod,
    lookup: &Lookup<'_>,
) -> Result<Option<Files>, PodError> {
    if volume.empty_dir.is_some() {
        return Ok(None);
    }
    let mut files = Files::new();
    if let Some(from) = &volume.config_map {
        let data = lookup.config_map(&from.name, from.optional)?;
        add(&mut files, "ConfigMap", &from.name, data, from.items.as_deref(), from.optional)?;
    } else if let Some(from) = &volume.secret {
        let name = from.secret_name.as_deref().unwrap_or_default();
        let data = lookup.secret(name, from.optional)?;
        add(&mut files, "Secret", name, data, from.items.as_deref(), from.optional)?;
    } else if let Some(from) = &volume.downward_api {
        downward(&mut files, from.items.as_deref(), pod)?;
    } else if let Some(projected) = &volume.projected {
        for source in projected.sources.iter().flatten() {
            if let Some(from) = &source.config_map {
                let data = lookup.config_map(&from.name, from.optional)?;
                let items = from.items.as_deref();
                add(&mut files, "ConfigMap", &from.name, data, items, from.optional)?;
            } else if let Some(from) = &source.secret {
                let data = lookup.secret(&from.name, from.optional)?;
                let items = from.items.as_deref();
                add(&mut files, "Secret", &from.name, data, items, from.optional)?;
            } else if let Some(from) = &source.downward_api {
                downward(&mut files, from.items.as_deref(), pod)?;
            } else if source.service_account_token.is_none() {
                return Err(unknown(volume, "projected certificate"));
            }
        }
    } else if volume.image.is_some() {
        return Err(unknown(volume, "image"));
    } else if volume.host_path.is_some() {
        return Err(unknown(volume, "hostPath"));
    } else if volume.persistent_volume_claim.is_some() {
        return Err(unknown(volume, "persistent"));
    } else if volume.csi.is_some() {
        return Err(unknown(volume, "CSI"));
    } else {
        return Err(unknown(volume, "such"));
    }
    Ok(Some(files))
}

fn unknown(volume: &Specification, kind: &'static str) -> PodError {
    PodError::Volume { name: volume.name.clone(), kind }
}

/// Adds all keys, or those that `items` lists under the paths that they get there.
fn add(
    files: &mut Files,
    kind: &'static str,
    name: &str,
    data: Option<BTreeMap<String, Vec<u8>>>,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
) -> Result<(), PodError> {
    let mut data = data.unwrap_or_default();
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        files.extend(data.into_iter().map(|(key, value)| (key.into(), value)));
        return Ok(());
    };
    for KeyToPath { key, path, .. } in items {
        match data.remove(key) {
            Some(value) => drop(files.insert(path.into(), value)),
            None if optional == Some(true) => {}
            None => {
                return Err(PodError::Key { kind, name: name.to_owned(), key: key.clone() });
            }
        }
    }
    Ok(())
}

fn downward(
    files: &mut Files,
    items: Option<&[DownwardAPIVolumeFile]>,
    pod: &Pod,
) -> Result<(), PodError> {
    for item in items.unwrap_or_default() {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => field::of_pod(pod, &field.field_path)?,
            (None, Some(resource)) => {
                let name = resource.container_name.as_deref();
                let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
                let is_it = |container: &&Container| Some(container.name.as_str()) == name;
                let container = containers.into_iter().find(is_it);
                let unknown = || PodError::Field { path: resource.resource.clone() };
                field::resource(container.ok_or_else(unknown)?, resource)?
            }
            (None, None) => continue,
        };
        files.insert((&item.path).into(), text.into_bytes());
    }
    Ok(())
}

/// Replaces the files of a folder at once. `number` is a new one for each call.
fn replace(folder: &Path, number: u32, files: &Files) -> std::io::Result<()> {
    let data = format!("..{number}");
    fs::create_dir(folder.join(&data))?;
    for (path, content) in files {
        let path = folder.join(&data).join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, content)?;
    }
    let link = folder.join("..data");
    let last = fs::read_link(&link).ok();
    let next = folder.join("..data_tmp");
    symlink(&data, &next)?;
    fs::rename(next, &link)?;
    // What a pod opens are links into it, one for each first part of a path.
    let first = |path: &PathBuf| match path.components().next() {
        Some(Component::Normal(first)) => Some(PathBuf::from(first)),
        _ => None,
    };
    let names: BTreeSet<PathBuf> = files.keys().filter_map(first).collect();
    for entry in fs::read_dir(folder)? {
        let name = PathBuf::from(entry?.file_name());
        if !name.to_string_lossy().starts_with("..") && !names.contains(&name) {
            fs::remove_file(folder.join(name))?;
        }
    }
    for name in &names {
        if folder.join(name).symlink_metadata().is_err() {
            symlink(Path::new("..data").join(name), folder.join(name))?;
        }
    }
    last.map_or(Ok(()), |last| fs::remove_dir_all(folder.join(last)))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Secret};
    use serde_json::{Value, json};

    use super::*;

    fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn files_of(volume: Value) -> Result<Option<Files>, PodError> {
        let maps: Vec<ConfigMap> = vec![of(json!({
            "metadata": { "name": "module", "namespace": "shop" },
            "data": { "policy": "{}" },
            "binaryData": { "filter.wasm": "AGFzbQ==" },
        }))];
        let secrets: Vec<Secret> = vec![of(json!({
            "metadata": { "name": "keys", "namespace": "shop" }, "data": { "a": "c2VjcmV0" },
        }))];
        let pod: Pod =
            of(json!({ "metadata": { "name": "app-1", "labels": { "app": "a", "b": "c" } } }));
        let lookup = Lookup { namespace: "shop", config_maps: &maps, secrets: &secrets };
        files(&of(volume), &pod, &lookup)
    }

    fn names(volume: Value) -> Vec<String> {
        let files = files_of(volume).unwrap().unwrap();
        let name = |(path, content): (&PathBuf, &Vec<u8>)| {
            format!("{}={}", path.display(), content.escape_ascii())
        };
        files.iter().map(name).collect()
    }

    #[test]
    fn a_config_map_has_its_texts_and_bytes_or_the_listed_keys() {
        let all = json!({ "name": "v", "configMap": { "name": "module" } });
        assert_eq!(names(all), [r"filter.wasm=\x00asm", "policy={}"]);
        let listed = json!({ "name": "v", "configMap": {
            "name": "module", "items": [{ "key": "filter.wasm", "path": "a/b.wasm" }],
        } });
        assert_eq!(names(listed), [r"a/b.wasm=\x00asm"]);
        let wrong = json!({ "name": "v", "configMap": {
            "name": "module", "items": [{ "key": "filter.wasn", "path": "b" }],
        } });
        let error = files_of(wrong).unwrap_err().to_string();
        assert_eq!(error, "ConfigMap `module` has no key `filter.wasn`");
        let optional = json!({ "name": "v", "configMap": { "name": "none", "optional": true } });
        assert_eq!(names(optional), [""; 0]);
    }

    #[test]
    fn a_projected_volume_has_the_files_of_all_its_sources() {
        let volume = json!({ "name": "v", "projected": { "sources": [
            { "configMap": { "name": "module", "items": [{ "key": "policy", "path": "p" }] } },
            { "secret": { "name": "keys" } },
            { "serviceAccountToken": { "path": "token" } },
            { "downwardAPI": { "items": [
                { "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } },
            ] } },
        ] } });
        assert_eq!(names(volume), ["a=secret", r#"labels=app=\"a\"\nb=\"c\""#, "p={}"]);
    }

    #[test]
    fn a_volume_that_cannot_be_mounted_is_an_error() {
        let image = json!({ "name": "module", "image": { "reference": "example.com/filter:1" } });
        let error = files_of(image).unwrap_err();
        assert!(error.to_string().starts_with("volume `module`: image volumes cannot"), "{error}");
        assert!(!error.may_pass());
    }

    #[test]
    fn an_update_swaps_all_files_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let of = |files: &[(&str, &str)]| -> Files {
            files.iter().map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect()
        };
        replace(folder.path(), 1, &of(&[("a", "1"), ("b/c", "1"), ("gone", "1")])).unwrap();
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).ok();
        assert_eq!(fs::read_link(folder.path().join("a")).unwrap(), Path::new("..data/a"));
        replace(folder.path(), 2, &of(&[("a", "2"), ("b/c", "2"), ("new", "2")])).unwrap();
        assert_eq!(read("a").unwrap(), "2");
        assert_eq!(read("b/c").unwrap(), "2");
        assert_eq!(read("new").unwrap(), "2");
        assert_eq!(read("gone"), None);
        assert_eq!(fs::read_link(folder.path().join("..data")).unwrap(), Path::new("..2"));
        assert!(!folder.path().join("..1").exists());
    }
}
