//! The object of a review: first its head, then all of it as a tree. An object comes from anybody
//! who may apply one, so the tree has limits.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use gatepost_authoring::Span;
use gatepost_authoring::tree::{Member, Node, Number, Value};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How many values an object may have. A policy of 1.4 MB has 50,000, and etcd stores no more than
/// 1.5 MB.
const MAX_VALUES: usize = 1 << 20;

/// How many lists and mappings may be inside each other, as in a policy file.
const MAX_DEPTH: usize = 100;

/// What every object has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head {
    #[serde(default)]
    pub api_version: String,
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metadata {
    pub labels: Option<BTreeMap<String, String>>,
    pub deletion_timestamp: Option<String>,
    pub name: Option<String>,
    pub generate_name: Option<String>,
}

impl Head {
    /// Reads it, and passes over everything else.
    pub fn read(object: &RawValue) -> Result<Self, serde_json::Error> {
        serde_json::from_str(object.get())
    }

    /// Whether a label has this value.
    pub fn has_label(&self, name: &str, value: &str) -> bool {
        let labels = self.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(name)).is_some_and(|label| label == value)
    }

    /// Its name for the log.
    pub fn name(&self) -> &str {
        let metadata = &self.metadata;
        metadata.name.as_deref().or(metadata.generate_name.as_deref()).unwrap_or_default()
    }
}

/// Whether two versions of an object differ in `metadata` and `status` alone, the parts that
/// controllers write. An API server writes both versions in the same form.
pub(crate) fn is_same_but_for_metadata(object: &RawValue, old: &RawValue) -> bool {
    let fields = |object: &RawValue| {
        let mut fields: HashMap<String, Box<RawValue>> = serde_json::from_str(object.get()).ok()?;
        fields.retain(|name, _| name != "metadata" && name != "status");
        let fields = fields.into_iter().map(|(name, value)| (name, value.get().to_owned()));
        Some(fields.collect::<BTreeMap<_, _>>())
    };
    let (new, old) = (fields(object), fields(old));
    new.is_some() && new == old
}

/// Reads an object as a tree. It has no places: nobody sees the text of a review.
pub(crate) fn tree(object: &RawValue) -> Result<Node, serde_json::Error> {
    let left = Cell::new(MAX_VALUES);
    let mut reader = serde_json::Deserializer::from_str(object.get());
    Tree { left: &left, depth: 0 }.deserialize(&mut reader)
}

#[derive(Clone, Copy)]
struct Tree<'c> {
    left: &'c Cell<usize>,
    depth: usize,
}

impl Tree<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            let deep = format!("more than {MAX_DEPTH} lists and objects inside each other");
            return Err(E::custom(deep));
        }
        Ok(Self { depth: self.depth.saturating_add(1), ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(D::Error::custom(format!("more than {MAX_VALUES} values")));
        };
        self.left.set(left);
        let value = deserializer.deserialize_any(self)?;
        Ok(Node { span: Span::default(), value })
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // JSON has no numbers that are not finite.
        Ok(serde_json::Number::from_f64(value).map_or(Value::Null, number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            list.push(element);
        }
        Ok(Value::Sequence(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut mapping = Vec::new();
        while let Some(key) = members.next_key()? {
            let value = members.next_value_seed(inner)?;
            mapping.push(Member { key, key_span: Span::default(), value });
        }
        Ok(Value::Mapping(mapping))
    }
}

fn number(value: serde_json::Number) -> Value {
    let text = value.to_string();
    Value::Number(Number { value, text })
}
