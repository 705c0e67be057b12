//! Reads files of objects.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use gatepost_authoring::read::read_documents;
use gatepost_authoring::tree::Node;
use gatepost_authoring::{Diagnostic, FileError, Report, Source};
use gatepost_engine::Path;

use crate::error::ManifestError;
use crate::finding::Finding;
use crate::ingress::Ingress;
use crate::object::Object;
use crate::route::ServedHosts;
use crate::service::Service;

/// How many folders may be inside each other.
const MAX_DEPTH: usize = 32;

/// How many bytes all files may have.
const MAX_BYTES: usize = 128 << 20;

/// How many objects are read: each may have to be compared with many others.
const MAX_OBJECTS: usize = 10_000;

/// The objects of some files, in the order of the files' names and then of the text.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// Services.
    pub services: Vec<Service>,
    /// Ingresses.
    pub ingresses: Vec<Ingress>,
    /// The hosts of VirtualServices, HTTPRoutes and GRPCRoutes.
    pub routes: Vec<ServedHosts>,
    /// Every object.
    pub objects: Vec<Object>,
    /// How many files were read.
    pub files: usize,
    /// What is wrong with files as text. Objects before such an error are read.
    pub errors: Vec<Report>,
}

impl Manifests {
    /// Reads a file, or the files of a folder and the folders below it whose names end in `.yaml`,
    /// `.yml` or `.json`. A file holds one document or more, and a `List` counts as its items. A
    /// file that is no YAML is among the errors, and the others are read.
    ///
    /// # Errors
    /// When a file cannot be read, when all are too large together, or when nothing in the files is
    /// an object and nothing is wrong with them.
    pub fn read(path: &FilePath) -> Result<Self, ManifestError> {
        let mut files = Vec::new();
        find(path, MAX_DEPTH, &mut files)?;
        let mut manifests = Self::default();
        let mut bytes = 0;
        for file in files {
            bytes += manifests.add_file(Source::read(&file))?;
            if bytes > MAX_BYTES {
                return Err(ManifestError::TooLarge { path: path.to_owned(), limit: MAX_BYTES });
            }
            manifests.limit(path)?;
        }
        manifests.unless_empty(path)
    }

    /// Reads what a reader gives, such as standard input, as one file of that name.
    ///
    /// # Errors
    /// As [`Manifests::read`].
    pub fn read_from(name: &str, reader: impl std::io::Read) -> Result<Self, ManifestError> {
        let mut manifests = Self::default();
        manifests.add_file(Source::read_from(name, reader))?;
        manifests.limit(FilePath::new(name))?;
        manifests.unless_empty(FilePath::new(name))
    }

    /// One object that was read elsewhere.
    pub(crate) fn of(source: Arc<Source>, object: Node) -> Self {
        let (mut manifests, mut errors) = (Self::default(), Vec::new());
        manifests.add_object(&source, object, Path::default(), &mut errors);
        if !errors.is_empty() {
            manifests.errors.push(Report::new(source, errors));
        }
        manifests
    }

    /// The same objects, where those that name no namespace are in this one and not in `default`:
    /// `kubectl apply --namespace` puts them there.
    #[must_use]
    pub fn in_namespace(self, namespace: &str) -> Self {
        let Self { files, errors, objects, .. } = self;
        let mut placed = Self { files, errors, ..Self::default() };
        for mut object in objects {
            object.place_in(namespace);
            // What is wrong with it is among the errors already.
            placed.keep(object);
        }
        placed
    }

    /// The same objects, if nothing is wrong with the files that hold them.
    ///
    /// # Errors
    /// The first file's errors.
    pub fn without_errors(self) -> Result<Self, ManifestError> {
        match self.errors.into_iter().next() {
            Some(report) => Err(ManifestError::Invalid(report)),
            None => Ok(Self { errors: Vec::new(), ..self }),
        }
    }

    fn limit(&self, path: &FilePath) -> Result<(), ManifestError> {
        if self.objects.len() > MAX_OBJECTS {
            return Err(ManifestError::TooMany { path: path.to_owned(), limit: MAX_OBJECTS });
        }
        Ok(())
    }

    fn unless_empty(self, path: &FilePath) -> Result<Self, ManifestError> {
        if self.objects.is_empty() && self.errors.is_empty() {
            return Err(ManifestError::Nothing { path: path.to_owned() });
        }
        Ok(self)
    }

    /// Adds the objects of a file, or what is wrong with it, and gives its size in bytes.
    fn add_file(&mut self, source: Result<Source, FileError>) -> Result<usize, ManifestError> {
        self.files += 1;
        match source {
            Ok(source) => {
                let bytes = source.text().len();
                self.add_objects(source);
                Ok(bytes)
            }
            Err(FileError::Invalid(report)) => {
                let bytes = report.source.text().len();
                self.errors.push(report);
                Ok(bytes)
            }
            Err(FileError::Unreadable { path, error }) => {
                Err(ManifestError::Unreadable { path, error })
            }
        }
    }

    fn add_objects(&mut self, source: Source) {
        let source = Arc::new(source);
        let (documents, mut errors) = read_documents(&source);
        if source.text().contains("{{") {
            let hint = "if this is a Helm template, give the output of `helm template`";
            errors.iter_mut().for_each(|error| error.help = Some(hint.to_owned()));
        }
        for document in documents {
            self.add_object(&source, document, Path::default(), &mut errors);
        }
        if !errors.is_empty() {
            self.errors.push(Report::new(source, errors));
        }
    }

    fn add_object(
        &mut self,
        source: &Arc<Source>,
        root: Node,
        path: Path,
        errors: &mut Vec<Diagnostic>,
    ) {
        let Some(object) = Object::new(source, root, path) else { return };
        if object.is_list() {
            for (root, path) in object.into_items() {
                self.add_object(source, root, path, errors);
            }
            return;
        }
        errors.extend(self.keep(object).map(|finding| finding.diagnostic));
    }

    /// Keeps an object, and gives what is wrong with its types.
    fn keep(&mut self, object: Object) -> Option<Box<Finding>> {
        let mut wrong = None;
        match (object.group(), object.origin.kind.as_str()) {
            ("", "Service") => match Service::new(&object) {
                Ok(service) => self.services.push(service),
                Err(finding) => wrong = Some(finding),
            },
            ("networking.k8s.io" | "extensions", "Ingress") => {
                self.ingresses.push(Ingress::new(&object));
            }
            ("networking.istio.io", "VirtualService")
            | ("gateway.networking.k8s.io", "HTTPRoute" | "GRPCRoute") => {
                self.routes.push(ServedHosts::new(&object));
            }
            _ => {}
        }
        self.objects.push(object);
        wrong
    }
}

/// The files that a path names.
fn find(path: &FilePath, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ManifestError> {
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
    use crate::{Origin, ServicePort};

    fn read(files: &[(&str, &str)]) -> Result<Manifests, ManifestError> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        Manifests::read(folder.path()).and_then(Manifests::without_errors)
    }

    #[test]
    fn objects_without_a_namespace_are_where_they_are_put() {
        let manifests = read(&[(
            "a.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: \
             shop}\nspec: {ports: [{port: 80}]}\n",
        )]);
        let placed = manifests.expect("manifests").in_namespace("edge");
        let names = |origin: &Origin| origin.to_string();
        let objects: Vec<_> = placed.objects.iter().map(|object| names(&object.origin)).collect();
        let services: Vec<_> =
            placed.services.iter().map(|service| names(&service.origin)).collect();
        assert_eq!(objects, ["Service edge/a", "Service shop/b"]);
        assert_eq!(services, objects);
        assert_eq!(placed.files, 1);
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
        assert!(error.contains("a.yaml:4:15: a Service's ports are a list"), "{error}");
    }
}
