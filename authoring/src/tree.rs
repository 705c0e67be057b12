//! A document as a tree in which every value and every key knows its place in the text. It is plain
//! data: [`crate::read`] builds it, the policy goes from it to the engine as JSON, and faults come
//! back to it by path.

use gatepost_diagnostics::{Source, Span};
use gatepost_engine::{Path, Place, Segment};

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// All of the value's text, quotes and brackets included. A value that stands for an alias has
    /// the alias's span; what is in it keeps the places of the anchored text.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// A value of YAML's core schema, which is JSON's data model.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or a finite float.
    Number(Number),
    /// Any other scalar, and every quoted one.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the text. Keys are unique.
    Mapping(Vec<Member>),
}

/// A number: what it means, and how it was written (`1.10` is not `1.1` when it is a header's
/// value).
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// Its value.
    pub value: serde_json::Number,
    /// Its text.
    pub text: String,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The key.
    pub key: String,
    /// Where the key is written.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Value {
    /// What a person calls this kind of value, with its article: "a list", "a string". The engine
    /// uses the same words.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "an object",
        }
    }
}

impl Node {
    /// The member of that name, when this is a mapping that has it.
    pub fn member(&self, key: &str) -> Option<&Member> {
        match &self.value {
            Value::Mapping(members) => members.iter().find(|member| member.key == key),
            _ => None,
        }
    }

    /// The element at that index, when this is a list that long.
    pub fn element(&self, index: usize) -> Option<&Node> {
        match &self.value {
            Value::Sequence(elements) => elements.get(index),
            _ => None,
        }
    }

    /// The value as compact JSON, keys in the order of the text: for a policy, the plugin
    /// configuration that the filter receives.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        write_json(self, &mut json);
        json
    }
}

fn write_json(node: &Node, json: &mut String) {
    match &node.value {
        Value::Null => json.push_str("null"),
        Value::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => json.push_str(&number.value.to_string()),
        Value::String(text) => write_json_string(text, json),
        Value::Sequence(elements) => {
            json.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_json(element, json);
            }
            json.push(']');
        }
        Value::Mapping(members) => {
            json.push('{');
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_json_string(&member.key, json);
                json.push(':');
                write_json(&member.value, json);
            }
            json.push('}');
        }
    }
}

fn write_json_string(text: &str, json: &mut String) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// A path as diagnostics carry it: `None` for the document as a whole.
#[must_use]
pub fn path_text(path: &Path) -> Option<String> {
    (!path.segments().is_empty()).then(|| path.to_string())
}

/// The path of a value in a value that is at `outer`.
pub(crate) fn below(outer: Path, inner: &Path) -> Path {
    inner.segments().iter().fold(outer, |path, segment| match segment {
        Segment::Key(name) => path.key(name),
        Segment::Index(index) => path.index(*index),
    })
}

/// What to underline for a path into the tree: the last key of the path, or the value it leads to.
/// A path that names something missing gives the nearest enclosing value.
pub fn locate(source: &Source, root: &Node, path: &[Segment], place: Place) -> Span {
    let mut node = root;
    let mut key = None;
    for segment in path {
        match segment {
            Segment::Key(name) => match node.member(name) {
                Some(member) => (node, key) = (&member.value, Some(member.key_span)),
                None => return underline(source, node, key),
            },
            Segment::Index(index) => match node.element(*index) {
                Some(element) => (node, key) = (element, None),
                None => return underline(source, node, key),
            },
        }
    }
    match (place, key) {
        (Place::Key, Some(key)) => key,
        _ => underline(source, node, key),
    }
}

/// What to underline for a whole value, whose key (if it has one) is at `key`: the value, when it
/// is on one line; else its key, or its first line. Carets under thirty lines point at nothing.
pub fn underline(source: &Source, node: &Node, key: Option<Span>) -> Span {
    if !node.span.is_empty() && !source.is_multiline(node.span) {
        return source.first_line(node.span);
    }
    key.unwrap_or_else(|| source.first_line(node.span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read;

    fn underlined(text: &str, path: &[Segment], place: Place) -> String {
        let source = Source::new("policy.yaml", text);
        let root = read(&source).root.expect("the text is YAML");
        source.slice(locate(&source, &root, path, place)).to_owned()
    }

    fn key(name: &str) -> Segment {
        Segment::Key(name.to_owned().into())
    }

    const POLICY: &str = "\
hosts:
  mappings:
  - { host: a.example, authority: b }
  - host: c.example
    port: 1
mode:
";

    #[test]
    fn a_path_leads_to_the_key_or_the_value() {
        let path = [key("hosts"), key("mappings"), Segment::Index(0), key("host")];
        assert_eq!(underlined(POLICY, &path, Place::Key), "host");
        assert_eq!(underlined(POLICY, &path, Place::Value), "a.example");
        assert_eq!(
            underlined(POLICY, &path[..3], Place::Value),
            "{ host: a.example, authority: b }"
        );
    }

    #[test]
    fn a_long_value_is_underlined_at_its_key_or_first_line() {
        assert_eq!(underlined(POLICY, &[key("hosts")], Place::Value), "hosts");
        let item = [key("hosts"), key("mappings"), Segment::Index(1)];
        assert_eq!(underlined(POLICY, &item, Place::Value), "host: c.example");
        assert_eq!(underlined(POLICY, &[], Place::Value), "hosts:");
    }

    #[test]
    fn a_path_to_something_missing_ends_at_what_should_hold_it() {
        let missing =
            [key("hosts"), key("mappings"), Segment::Index(0), key("port"), key("number")];
        assert_eq!(underlined(POLICY, &missing, Place::Value), "{ host: a.example, authority: b }");
        assert_eq!(
            underlined(POLICY, &[key("hosts"), key("mappings"), Segment::Index(7)], Place::Key),
            "mappings"
        );
        assert_eq!(underlined(POLICY, &[key("hosts"), Segment::Index(0)], Place::Value), "hosts");
    }

    #[test]
    fn a_value_left_empty_is_underlined_at_its_key() {
        assert_eq!(underlined(POLICY, &[key("mode")], Place::Value), "mode");
    }

    #[test]
    fn json_keeps_the_order_of_the_text_and_the_meaning_of_numbers() {
        let source = Source::new("x", "z: [1, 0x1F, 1.50, ~, \"yes\", true]\na: \"q\\\"\\n\"\n");
        let root = read(&source).root.expect("the text is YAML");
        assert_eq!(root.to_json(), r#"{"z":[1,31,1.5,null,"yes",true],"a":"q\"\n"}"#);
    }
}
