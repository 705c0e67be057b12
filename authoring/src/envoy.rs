//! Wasm filters in a configuration of Envoy's: a filter of a listener, a resource that is
//! discovered (ECDS), or a patch with either. Envoy reads field names in both spellings of
//! protobuf's JSON.

use crate::configuration::{Configuration, PluginIdentity, has_version, mentions_version};
use crate::text::Text;
use crate::tree::{Member, Node, Value, underline};
use gatepost_diagnostics::Span;
use gatepost_engine::Path;
use std::sync::Arc;

const WASM: &str = "/envoy.extensions.filters.http.wasm.v3.Wasm";
const TYPED_STRUCTS: [&str; 2] = ["/udpa.type.v1.TypedStruct", "/xds.type.v3.TypedStruct"];
const STRING: &str = "/google.protobuf.StringValue";
const STRUCT: &str = "/google.protobuf.Struct";

const HELP: &str = "write the policy as JSON text: `\"@type\": \
                    type.googleapis.com/google.protobuf.StringValue` and the text in `value`";

/// Why the configuration of a wasm filter is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NotText {
    #[error("this wasm filter has no `configuration`, where its policy would be")]
    Missing,
    #[error("Envoy gives the filter the bytes of a Struct, and not its JSON: no policy arrives")]
    Struct,
    #[error("only a policy in a StringValue can be read")]
    OtherType,
}

/// Adds the configuration of each wasm filter below a value.
pub(crate) fn add_wasm_filters(
    text: &Arc<Text>,
    node: &mut Node,
    path: &Path,
    found: &mut Vec<Configuration>,
) {
    let kind = type_of(node, &["@type"]).map(str::to_owned);
    let is_wasm = |kind: &Option<String>| kind.as_deref().is_some_and(|kind| kind.ends_with(WASM));
    if is_wasm(&kind) {
        return found.extend(filter(text, node, path, None));
    }
    if kind.is_some_and(|kind| TYPED_STRUCTS.iter().any(|name| kind.ends_with(name)))
        && is_wasm(&type_of(node, &["type_url", "typeUrl"]).map(str::to_owned))
        && let Some(member) = member_mut(node, &["value"])
    {
        let (path, key) = (path.clone().key(&member.key), member.key_span);
        return found.extend(filter(text, &mut member.value, &path, Some(key)));
    }
    match &mut node.value {
        Value::Mapping(members) => {
            for member in members {
                let path = path.clone().key(&member.key);
                add_wasm_filters(text, &mut member.value, &path, found);
            }
        }
        Value::Sequence(elements) => {
            for (index, element) in elements.iter_mut().enumerate() {
                add_wasm_filters(text, element, &path.clone().index(index), found);
            }
        }
        _ => {}
    }
}

/// The configuration of a filter, of which this is the `Wasm` message.
fn filter(
    text: &Arc<Text>,
    wasm: &mut Node,
    path: &Path,
    key: Option<Span>,
) -> Option<Configuration> {
    let span = underline(&text.source, wasm, key);
    let Some(member) = member_mut(wasm, &["config"]) else {
        let path = path.clone().key("config");
        return Some(Configuration::refused(text, path, &NotText::Missing, HELP, span));
    };
    let (path, key) = (path.clone().key("config"), member.key_span);
    let plugin = identity(&member.value);
    let span = underline(&text.source, &member.value, Some(key));
    Some(configuration(text, &mut member.value, &path, span).of(plugin))
}

fn configuration(text: &Arc<Text>, plugin: &mut Node, path: &Path, span: Span) -> Configuration {
    let path = path.clone().key("configuration");
    let Some(member) = member_mut(plugin, &["configuration"]) else {
        return Configuration::refused(text, path, &NotText::Missing, HELP, span);
    };
    let key = member.key_span;
    let span = underline(&text.source, &member.value, Some(key));
    let kind = type_of(&member.value, &["@type"]).unwrap_or_default().to_owned();
    let value = member_mut(&mut member.value, &["value"]);
    match value {
        Some(Member { key, key_span, value: node }) if kind.ends_with(STRING) => {
            let path = path.key(key);
            let Value::String(policy) = &node.value else {
                let span = underline(&text.source, node, Some(*key_span));
                return Configuration::refused(text, path, &NotText::OtherType, HELP, span);
            };
            let (inner, root) =
                Text::read_within(text, "policy.json", path, Some(*key_span), node, policy);
            Configuration::text(inner, root, mentions_version(policy))
        }
        Some(member) if kind.ends_with(STRUCT) => {
            let is_policy = has_version(&member.value);
            Configuration::refused(text, path, &NotText::Struct, HELP, span)
                .called_policy(is_policy)
        }
        _ => Configuration::refused(text, path, &NotText::OtherType, HELP, span),
    }
}

/// By what the plugin of a `PluginConfig` is known.
fn identity(config: &Node) -> PluginIdentity {
    let code = at(config, &[&["vm_config", "vmConfig"], &["code"]]);
    let within = |path: &[&[&str]]| at(code?, path).and_then(string).map(str::to_owned);
    PluginIdentity {
        name: at(config, &[&["name"]]).and_then(string).map(str::to_owned),
        url: within(&[&["remote"], &["http_uri", "httpUri"], &["uri"]])
            .or_else(|| Some(format!("file://{}", within(&[&["local"], &["filename"]])?))),
        sha256: within(&[&["remote"], &["sha256"]]),
    }
}

fn at<'n>(node: &'n Node, path: &[&[&str]]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, names| {
        names.iter().find_map(|name| node.member(name)).map(|member| &member.value)
    })
}

fn type_of<'n>(node: &'n Node, names: &[&str]) -> Option<&'n str> {
    at(node, &[names]).and_then(string)
}

fn string(node: &Node) -> Option<&str> {
    match &node.value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn member_mut<'n>(node: &'n mut Node, names: &[&str]) -> Option<&'n mut Member> {
    match &mut node.value {
        Value::Mapping(members) => {
            members.iter_mut().find(|member| names.contains(&member.key.as_str()))
        }
        _ => None,
    }
}
