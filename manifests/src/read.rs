//! Reads files of objects.

use std::path::{Path, PathBuf};

use gatepost_diagnostics::{MAX_TEXT_FILE, read_file};
use serde::de::DeserializeOwned;

use crate::error::ManifestError;
use crate::ingress::{self, Ingress};
use crate::object::{Object, Origin};
use crate::route::{self, ServedHosts};
use crate::service::{self, Service};

/// How many folders may be inside each other.
const MAX_DEPTH: usize = 32;

/// The objects of some files, in the order of the files' names and then of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifests {
    /// Services.
    pub services: Vec<Service>,
    /// Ingresses.
    pub ingresses: Vec<Ingress>,
    /// The hosts of VirtualServices, HTTPRoutes and GRPCRoutes.
    pub routes: Vec<ServedHosts>,
}

impl Manifests {
    /// Reads a file, or the files of a folder and the folders below it whose names end in `.yaml`,
    /// `.yml` or `.json`. A file holds one document or more, and a `List` counts as its items.
    ///
    /// # Errors
    /// When a file cannot be read or is no YAML, or when nothing in the files is an object.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let mut files = Vec::new();
        find(path, MAX_DEPTH, &mut files)?;
        let mut manifests = Self::default();
        let mut count = 0;
        for file in files {
            count += manifests.add_file(&file)?;
        }
        if count == 0 {
            return Err(ManifestError::Nothing { path: path.to_owned() });
        }
        Ok(manifests)
    }

    /// Adds the objects of a file, and gives their number.
    fn add_file(&mut self, path: &Path) -> Result<usize, ManifestError> {
        let unreadable = |error| ManifestError::Unreadable { path: path.to_owned(), error };
        let bytes = read_file(path, MAX_TEXT_FILE).map_err(unreadable)?;
        let text = String::from_utf8_lossy(&bytes);
        let documents: Vec<Option<Object>> =
            serde_saphyr::from_multiple(&text).map_err(|error| {
                let is_template = text.contains("{{");
                ManifestError::Syntax {
                    path: path.to_owned(),
                    error: error.to_string(),
                    is_template,
                }
            })?;
        let mut count = 0;
        for document in documents.into_iter().flatten() {
            count += self.add(path, document)?;
        }
        Ok(count)
    }

    fn add(&mut self, path: &Path, object: Object) -> Result<usize, ManifestError> {
        if object.kind.ends_with("List") && !object.items.is_empty() {
            let added = object.items.into_iter().map(|item| self.add(path, item));
            return added.sum();
        }
        if object.kind.is_empty() || object.api_version.is_empty() {
            return Ok(0);
        }
        let origin = Origin {
            kind: object.kind.clone(),
            namespace: object.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            name: object.metadata.name.clone(),
            path: path.to_owned(),
        };
        match (object.group(), object.kind.as_str()) {
            ("", "Service") => {
                let service::Spec { ports } = spec(&origin, object)?;
                self.services.push(Service { origin, ports });
            }
            ("networking.k8s.io" | "extensions", "Ingress") => {
                let metadata = object.metadata.clone();
                let spec: ingress::Spec = spec(&origin, object)?;
                self.ingresses.push(Ingress::new(origin, &metadata, spec));
            }
            ("networking.istio.io", "VirtualService")
            | ("gateway.networking.k8s.io", "HTTPRoute" | "GRPCRoute") => {
                let spec: route::Spec = spec(&origin, object)?;
                self.routes.push(ServedHosts::new(origin, spec));
            }
            _ => {}
        }
        Ok(1)
    }
}

fn spec<T: DeserializeOwned>(origin: &Origin, object: Object) -> Result<T, ManifestError> {
    // An object without a spec is one with nothing in it.
    let value = if object.spec.is_null() { serde_json::json!({}) } else { object.spec };
    serde_json::from_value(value).map_err(|error| ManifestError::Object {
        path: origin.path.clone(),
        kind: origin.kind.clone(),
        name: origin.name.clone(),
        error: error.to_string(),
    })
}

/// The files that a path names.
fn find(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ManifestError> {
    let unreadable = |error| ManifestError::Unreadable { path: path.to_owned(), error };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?.path());
    }
    entries.sort();
    for entry in entries {
        let extension = entry.extension().and_then(|extension| extension.to_str());
        if entry.is_dir() {
            if depth > 0 && !entry.is_symlink() {
                find(&entry, depth - 1, files)?;
            }
        } else if matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(entry);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServicePort;

    fn read(files: &[(&str, &str)]) -> Result<Manifests, ManifestError> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        Manifests::read(folder.path())
    }

    #[test]
    fn documents_lists_and_folders_are_read_in_their_order() {
        let manifests = read(&[
            (
                "b/list.json",
                r#"{"apiVersion": "v1", "kind": "List", "items": [
                    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"},
                     "spec": {"type": "ExternalName"}}]}"#,
            ),
            (
                "a.yaml",
                "# a comment alone\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  \
                 namespace: shop\nspec:\n  ports:\n  - {port: 80, name: grpc-api}\n  - {port: 81, \
                 name: http, appProtocol: grpc}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: \
                 {name: x}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n\
                 metadata: {name: v}\nspec: {hosts: [a.example]}\n",
            ),
            ("notes.txt", "no manifest"),
        ])
        .expect("manifests");
        let names: Vec<String> =
            manifests.services.iter().map(|service| service.origin.to_string()).collect();
        assert_eq!(names, ["Service shop/a", "Service default/c"]);
        let protocols: Vec<&str> =
            manifests.services[0].ports.iter().map(ServicePort::protocol).collect();
        assert_eq!(protocols, ["grpc", "grpc"]);
        assert!(manifests.routes[0].serves("a.example"));
    }

    #[test]
    fn an_ingress_is_gkes_unless_its_class_is_anothers() {
        let ingress = |annotations: &str, spec: &str| {
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: i, \
                 annotations: {annotations}}}\nspec: {spec}\n"
            )
        };
        for (annotations, spec, expected) in [
            ("{}", "{}", true),
            ("{kubernetes.io/ingress.class: gce}", "{ingressClassName: nginx}", true),
            ("{kubernetes.io/ingress.class: nginx}", "{}", false),
            ("{}", "{ingressClassName: nginx}", false),
        ] {
            let manifests = read(&[("i.yaml", &ingress(annotations, spec))]).expect("manifests");
            assert_eq!(manifests.ingresses[0].is_of_gke(), expected, "{annotations} {spec}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let error = read(&[("a.yaml", "{{ if }}\na: [")]).unwrap_err().to_string();
        assert!(error.contains("a.yaml") && error.contains("`helm template`"), "{error}");
        let error = read(&[("a.yaml", "a: 1\n")]).unwrap_err().to_string();
        assert!(error.ends_with("no Kubernetes object here"), "{error}");
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: 80}\n";
        let error = read(&[("a.yaml", service)]).unwrap_err().to_string();
        assert!(error.contains("Service s: invalid type"), "{error}");
    }
}
