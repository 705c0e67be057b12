//! A container's variables and its words, as a kubelet makes them of the pod's specification.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};

use super::error::PodError;
use super::field;
use super::lookup::Lookup;

/// The variables, in the order of their names.
pub(super) fn variables(
    container: &Container,
    pod: &Pod,
    lookup: &Lookup<'_>,
) -> Result<BTreeMap<String, String>, PodError> {
    let mut found = BTreeMap::new();
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let mut add = |data: BTreeMap<String, Vec<u8>>| {
            found.extend(
                data.into_iter().map(|(key, value)| (format!("{prefix}{key}"), text(value))),
            );
        };
        if let Some(from) = &source.config_map_ref {
            add(lookup.config_map(&from.name, from.optional)?.unwrap_or_default());
        }
        if let Some(from) = &source.secret_ref {
            add(lookup.secret(&from.name, from.optional)?.unwrap_or_default());
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (Some(value), _) => Some(expand(value, &found)),
            (None, Some(source)) => from(source, container, pod, lookup)?,
            (None, None) => Some(String::new()),
        };
        found.extend(value.map(|value| (variable.name.clone(), value)));
    }
    Ok(found)
}

/// The value of a source; `None` when it is optional and missing.
fn from(
    source: &EnvVarSource,
    container: &Container,
    pod: &Pod,
    lookup: &Lookup<'_>,
) -> Result<Option<String>, PodError> {
    if let Some(field) = &source.field_ref {
        return field::of_pod(pod, &field.field_path).map(Some);
    }
    if let Some(resource) = &source.resource_field_ref {
        return field::resource(container, resource).map(Some);
    }
    if let Some(key) = &source.config_map_key_ref {
        let data = lookup.config_map(&key.name, key.optional)?;
        return pick("ConfigMap", &key.name, &key.key, key.optional, data);
    }
    if let Some(key) = &source.secret_key_ref {
        let data = lookup.secret(&key.name, key.optional)?;
        return pick("Secret", &key.name, &key.key, key.optional, data);
    }
    Err(PodError::Field { path: "valueFrom".to_owned() })
}

fn pick(
    kind: &'static str,
    name: &str,
    key: &str,
    optional: Option<bool>,
    data: Option<BTreeMap<String, Vec<u8>>>,
) -> Result<Option<String>, PodError> {
    match data.and_then(|mut data| data.remove(key)) {
        Some(value) => Ok(Some(text(value))),
        None if optional == Some(true) => Ok(None),
        None => Err(PodError::Key { kind, name: name.to_owned(), key: key.to_owned() }),
    }
}

fn text(value: Vec<u8>) -> String {
    String::from_utf8_lossy(&value).into_owned()
}

/// Replaces `$(NAME)` by the variable. `$$` is `$`, and an unknown name stays as it is written.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let name = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        rest = match (after.strip_prefix('$'), name) {
            (Some(after), _) => {
                expanded.push('$');
                after
            }
            (None, Some((name, after))) if variables.contains_key(name) => {
                expanded.push_str(&variables[name]);
                after
            }
            _ => {
                expanded.push('$');
                after
            }
        };
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Secret};
    use serde_json::{Value, json};

    use super::*;

    fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn variables_of(container: Value) -> Result<BTreeMap<String, String>, PodError> {
        let pod: Pod = of(json!({
            "metadata": { "name": "app-1", "namespace": "shop", "labels": { "app": "a" } },
            "spec": { "containers": [], "serviceAccountName": "seller", "nodeName": "mesh" },
            "status": { "podIP": "10.10.1.1" },
        }));
        let maps: Vec<ConfigMap> = vec![of(json!({
            "metadata": { "name": "settings", "namespace": "shop" }, "data": { "ENV": "env1" },
        }))];
        let secrets: Vec<Secret> = vec![of(json!({
            "metadata": { "name": "keys", "namespace": "shop" }, "data": { "a": "c2VjcmV0" },
        }))];
        let lookup = Lookup { namespace: "shop", config_maps: &maps, secrets: &secrets };
        variables(&of(container), &pod, &lookup)
    }

    #[test]
    fn variables_come_from_values_fields_resources_and_objects() {
        let found = variables_of(json!({
            "name": "main",
            "resources": { "limits": { "cpu": "1500m", "memory": "1Gi" } },
            "envFrom": [{ "prefix": "S_", "configMapRef": { "name": "settings" } }],
            "env": [
                { "name": "NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                { "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
                { "name": "APP", "valueFrom": {
                    "fieldRef": { "fieldPath": "metadata.labels['app']" },
                } },
                { "name": "CPU", "valueFrom": {
                    "resourceFieldRef": { "resource": "limits.cpu" },
                } },
                { "name": "MEMORY", "valueFrom": {
                    "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" },
                } },
                { "name": "ENV", "valueFrom": {
                    "configMapKeyRef": { "name": "settings", "key": "ENV" },
                } },
                { "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "a" } } },
                { "name": "NONE", "valueFrom": {
                    "secretKeyRef": { "name": "none", "key": "a", "optional": true },
                } },
                { "name": "ALL", "value": "$(NAME) at $(IP), $$(IP), $(nobody)" },
            ],
        }))
        .unwrap();
        let expected = [
            ("ALL", "app-1 at 10.10.1.1, $(IP), $(nobody)"),
            ("APP", "a"),
            ("CPU", "2"),
            ("ENV", "env1"),
            ("IP", "10.10.1.1"),
            ("KEY", "secret"),
            ("MEMORY", "1024"),
            ("NAME", "app-1"),
            ("S_ENV", "env1"),
        ];
        let found: Vec<_> = found.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_missing_object_or_key_is_named() {
        let variable = |from: Value| {
            let container = json!({ "name": "main", "env": [{ "name": "A", "valueFrom": from }] });
            variables_of(container).unwrap_err().to_string()
        };
        assert_eq!(
            variable(json!({ "configMapKeyRef": { "name": "none", "key": "a" } })),
            "ConfigMap `none` in namespace `shop` does not exist. Create it"
        );
        assert_eq!(
            variable(json!({ "configMapKeyRef": { "name": "settings", "key": "a" } })),
            "ConfigMap `settings` has no key `a`"
        );
        assert_eq!(
            variable(json!({ "fieldRef": { "fieldPath": "spec.hostname" } })),
            "the field `spec.hostname` of a pod cannot be read here"
        );
    }
}
