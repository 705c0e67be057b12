//! Kubernetes objects that hold policies. Istio's WasmPlugin has one in `spec.pluginConfig`, a
//! TrafficExtension in `spec.wasm.pluginConfig`, and an EnvoyFilter a text in each wasm filter that
//! it brings. A ConfigMap has a file in each key of `data`: a policy, or a configuration of Envoy's
//! with such filters, which may also be a file by itself. A `List` holds what its items hold. Any
//! other object is no policy.

use crate::configuration::{Configuration, PluginIdentity, has_version, mentions_version};
use crate::envoy::add_wasm_filters;
use crate::text::Text;
use crate::tree::{Member, Node, Value, underline};
use gatepost_diagnostics::{Diagnostic, Report, Source, Span};
use gatepost_engine::Path;
use std::sync::Arc;

/// Keys of a ConfigMap that are meant for a policy.
const POLICY_FILES: [&str; 3] = ["policy.yaml", "policy.yml", "policy.json"];

/// What a patch of an EnvoyFilter is applied to when it can bring a wasm filter.
const FILTERS: [&str; 2] = ["HTTP_FILTER", "EXTENSION_CONFIG"];

/// What a configuration of Envoy's has at its root: a bootstrap, or a file that is discovered.
const ENVOYS: [&str; 3] = ["static_resources", "staticResources", "resources"];

/// A document without a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum ManifestError {
    /// A plugin without a configuration.
    #[error("this {kind} has no `{path}`, where its policy would be")]
    NoConfiguration { kind: String, path: String },
    /// An EnvoyFilter that patches something else.
    #[error("this EnvoyFilter brings no wasm filter, whose configuration would be a policy")]
    NoWasmFilter,
    /// A ConfigMap of something else.
    #[error("no key in the `data` of this ConfigMap is a policy")]
    NoPolicyFile,
    /// A list of something else.
    #[error("no object in this {0} can hold a policy")]
    NothingInList(String),
    /// A kind that holds none.
    #[error("this is a Kubernetes manifest of kind {0}, and no policy")]
    OtherKind(String),
}

impl ManifestError {
    fn help(&self) -> &'static str {
        match self {
            Self::NoConfiguration { .. } => "write the policy there",
            Self::NoWasmFilter => "its patch of HTTP_FILTER or EXTENSION_CONFIG has the policy",
            Self::NoPolicyFile => "a key such as `policy.yaml` has the policy as its text",
            Self::NothingInList(_) | Self::OtherKind(_) => {
                "a policy begins with `apiVersion: gatepost/v1`; in a WasmPlugin it is \
                 `spec.pluginConfig`, and in a TrafficExtension `spec.wasm.pluginConfig`"
            }
        }
    }

    fn diagnostic(&self, source: &Source, span: Span) -> Diagnostic {
        Diagnostic::error("manifest", self.to_string())
            .at(source, span)
            .with_help(Some(self.help().to_owned()))
    }
}

/// A document, and the configurations of plugins in it.
#[derive(Debug)]
pub struct Manifest {
    text: Arc<Text>,
    configurations: Vec<Configuration>,
    /// Why there is none.
    nothing: Option<Diagnostic>,
    /// Whether the object is for the filter: false for a ConfigMap without texts, which may bring
    /// the module, and for an EnvoyFilter that patches no filters, such as routes.
    may_hold_policy: bool,
}

impl Manifest {
    /// Reads a text, and finds the configurations in it. One that is no object is a policy itself.
    ///
    /// # Errors
    /// When nothing of the text can be read.
    pub fn read(source: Arc<Source>) -> Result<Self, Report> {
        let (text, root) = Text::read(source);
        match root {
            Some(root) => Ok(Self::find(Arc::new(text), root, &Path::default())),
            None => Err(Report::new(Arc::clone(&text.source), text.errors().collect())),
        }
    }

    /// An object that was read elsewhere.
    #[must_use]
    pub fn of(source: Source, root: Node) -> Self {
        Self::at(Arc::new(source), root, &Path::default())
    }

    /// The same of an object at a path in its document, as one in a list is.
    #[must_use]
    pub fn at(source: Arc<Source>, root: Node, path: &Path) -> Self {
        Self::find(Arc::new(Text::of(source)), root, path)
    }

    fn find(text: Arc<Text>, mut root: Node, path: &Path) -> Self {
        let span = underline(&text.source, &root, None);
        let mut search = Search { text: &text, found: Vec::new(), may_hold_policy: true };
        let nothing = search.document(&mut root, path).err();
        let (configurations, may_hold_policy) = (search.found, search.may_hold_policy);
        let nothing = nothing.map(|nothing| nothing.diagnostic(&text.source, span));
        Self { text, configurations, nothing, may_hold_policy }
    }

    /// What is wrong with the document as YAML or JSON.
    #[must_use]
    pub fn errors(&self) -> Vec<Diagnostic> {
        self.text.errors().collect()
    }

    /// Every configuration, other plugins' too.
    #[must_use]
    pub fn configurations(&self) -> &[Configuration] {
        &self.configurations
    }

    /// Whether an object of this kind and with this content is where a policy belongs.
    #[must_use]
    pub fn may_hold_policy(&self) -> bool {
        self.may_hold_policy
    }

    /// Every configuration, to be judged.
    #[must_use]
    pub fn into_configurations(self) -> Vec<Configuration> {
        self.configurations
    }

    /// The configurations that are policies, or all when none says that it is one.
    ///
    /// # Errors
    /// When there is no configuration at all: a report with the reason.
    pub fn into_policies(self) -> Result<Vec<Configuration>, Report> {
        if let Some(nothing) = self.nothing {
            return Err(Report::new(Arc::clone(&self.text.source), vec![nothing]));
        }
        let mut configurations = self.configurations;
        if configurations.iter().any(Configuration::is_policy) {
            configurations.retain(Configuration::is_policy);
        }
        Ok(configurations)
    }
}

struct Search<'t> {
    text: &'t Arc<Text>,
    found: Vec<Configuration>,
    may_hold_policy: bool,
}

impl Search<'_> {
    fn document(&mut self, root: &mut Node, path: &Path) -> Result<(), ManifestError> {
        let version = string(root, "apiVersion").unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let kind = string(root, "kind").filter(|_| !version.is_empty() && group != "gatepost");
        let Some(kind) = kind.map(str::to_owned) else {
            let before = self.found.len();
            if version.is_empty() && ENVOYS.iter().any(|name| root.member(name).is_some()) {
                add_wasm_filters(self.text, root, path, &mut self.found);
            }
            if self.found.len() == before {
                self.found.push(Configuration::tree(self.text, path.clone(), take(root)));
            }
            return Ok(());
        };
        match (group, kind.as_str()) {
            ("extensions.istio.io", "WasmPlugin") => {
                self.plugin(root, path, &kind, &["spec"]);
                Ok(())
            }
            // A TrafficExtension has the fields of a WasmPlugin one level deeper.
            ("extensions.istio.io", "TrafficExtension") => {
                self.plugin(root, path, &kind, &["spec", "wasm"]);
                Ok(())
            }
            ("networking.istio.io", "EnvoyFilter") => self.envoy_filter(root, path),
            ("", "ConfigMap") => self.config_map(root, path),
            (_, list) if list.ends_with("List") => self.list(root, path, &kind),
            _ => Err(ManifestError::OtherKind(kind)),
        }
    }

    fn list(&mut self, root: &mut Node, path: &Path, kind: &str) -> Result<(), ManifestError> {
        let before = self.found.len();
        if let Some(Member { value: Node { value: Value::Sequence(items), .. }, .. }) =
            member_mut(root, "items")
        {
            for (index, item) in items.iter_mut().enumerate() {
                // Objects of any kind are in a list.
                let _ = self.document(item, &path.clone().key("items").index(index));
            }
        }
        let found = self.found.len() > before;
        if found { Ok(()) } else { Err(ManifestError::NothingInList(kind.to_owned())) }
    }

    /// The plugin whose fields are at `names`.
    fn plugin(&mut self, root: &mut Node, path: &Path, kind: &str, names: &[&str]) {
        let source = &self.text.source;
        let mut span = underline(source, root, None);
        let fields = names.iter().try_fold(root, |node, name| {
            let member = member_mut(node, name)?;
            span = underline(source, &member.value, Some(member.key_span));
            Some(&mut member.value)
        });
        let plugin = fields.as_deref().map(identity).unwrap_or_default();
        let place = names.iter().fold(path.clone(), |path, name| path.key(name));
        let place = place.key("pluginConfig");
        let configuration = match fields.and_then(|node| member_mut(node, "pluginConfig")) {
            Some(member) => Configuration::tree(self.text, place, take(&mut member.value)),
            None => {
                let path = [names, &["pluginConfig"]].concat().join(".");
                let missing = ManifestError::NoConfiguration { kind: kind.to_owned(), path };
                Configuration::refused(self.text, place, &missing, missing.help(), span)
            }
        };
        self.found.push(configuration.of(plugin));
    }

    fn envoy_filter(&mut self, root: &mut Node, path: &Path) -> Result<(), ManifestError> {
        let before = self.found.len();
        self.may_hold_policy = false;
        let spec = member_mut(root, "spec").map(|member| &mut member.value);
        let patches = spec.and_then(|spec| member_mut(spec, "configPatches"));
        if let Some(Member { value: Node { value: Value::Sequence(patches), .. }, .. }) = patches {
            let path = path.clone().key("spec").key("configPatches");
            for (index, patch) in patches.iter_mut().enumerate() {
                let applied_to = string(patch, "applyTo").unwrap_or_default();
                self.may_hold_policy |= FILTERS.contains(&applied_to);
                add_wasm_filters(self.text, patch, &path.clone().index(index), &mut self.found);
            }
        }
        let found = self.found.len() > before;
        if found { Ok(()) } else { Err(ManifestError::NoWasmFilter) }
    }

    fn config_map(&mut self, root: &mut Node, path: &Path) -> Result<(), ManifestError> {
        let before = self.found.len();
        let data = member_mut(root, "data").map(|member| &mut member.value.value);
        if let Some(Value::Mapping(members)) = data {
            self.may_hold_policy = !members.is_empty();
            for member in members {
                self.file(member, &path.clone().key("data"));
            }
        } else {
            self.may_hold_policy = false;
        }
        let found = self.found.len() > before;
        if found { Ok(()) } else { Err(ManifestError::NoPolicyFile) }
    }

    /// A file of a ConfigMap, if it is a policy or has wasm filters.
    fn file(&mut self, member: &Member, path: &Path) {
        let Value::String(content) = &member.value.value else { return };
        let is_meant = POLICY_FILES.contains(&member.key.as_str());
        // What does not even have the words is not read.
        let may_be_envoys = content.contains("filters.http.wasm.v3.Wasm");
        if !is_meant && !may_be_envoys && !mentions_version(content) {
            return;
        }
        let path = path.clone().key(&member.key);
        let key = Some(member.key_span);
        let (inner, root) =
            Text::read_within(self.text, &member.key, path, key, &member.value, content);
        let is_one =
            || if is_meant { mentions_version(content) } else { begins_with_version(content) };
        match root {
            Some(root) if has_version(&root) || is_meant => {
                self.found.push(Configuration::text(inner, Some(root), false));
            }
            Some(mut root) if may_be_envoys => {
                let inner = Arc::new(inner);
                add_wasm_filters(&inner, &mut root, &Path::default(), &mut self.found);
            }
            None if is_meant || is_one() => {
                self.found.push(Configuration::text(inner, None, is_one()));
            }
            _ => {}
        }
    }
}

/// Whether the first line of a text that says something has a policy's version. A text that only
/// quotes a policy, such as a page of documentation, begins with something else.
fn begins_with_version(text: &str) -> bool {
    let says = |line: &&str| !matches!(*line, "" | "---" | "{") && !line.starts_with('#');
    text.lines().map(str::trim).find(says).is_some_and(|line| {
        let key = line.trim_start_matches(['\u{feff}', '"', '\'']);
        (key.starts_with("apiVersion") || key.starts_with('{')) && mentions_version(line)
    })
}

/// By what a WasmPlugin is known.
fn identity(fields: &Node) -> PluginIdentity {
    let field = |name| string(fields, name).map(str::to_owned);
    PluginIdentity { name: field("pluginName"), url: field("url"), sha256: field("sha256") }
}

fn take(node: &mut Node) -> Node {
    std::mem::replace(node, Node { span: node.span, value: Value::Null })
}

fn member_mut<'n>(node: &'n mut Node, name: &str) -> Option<&'n mut Member> {
    match &mut node.value {
        Value::Mapping(members) => members.iter_mut().find(|member| member.key == name),
        _ => None,
    }
}

fn string<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    match &node.member(name)?.value.value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
