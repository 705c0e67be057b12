//! The second form of Google's test files: the fields of `tests.textpb` as YAML. It is turned into
//! the text of the first form, so that one reader judges both. A scalar is its text, as in Google's
//! converter: the schema says which fields are texts.

use std::fmt;

use gatepost_diagnostics::did_you_mean;
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Whether a file called `.yaml` has this form: its tests are under `test`, and not under `tests`.
pub(crate) fn is_googles(text: &str) -> bool {
    let has = |key: &str| {
        text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
    };
    has("test") && !has("tests")
}

/// A message, written as the fields of its text form.
pub(super) struct Message<'t> {
    pub(super) descriptor: MessageDescriptor,
    pub(super) text: &'t mut String,
}

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let Some(field) = self.descriptor.get_field_by_name(&key) else {
                let fields = self.descriptor.fields();
                let names: Vec<String> = fields.map(|field| field.name().to_owned()).collect();
                let help = did_you_mean(&key, names.iter().map(String::as_str));
                let help = help.map(|help| format!(": {help}")).unwrap_or_default();
                return Err(A::Error::custom(format!("unknown field `{key}`{help}")));
            };
            map.next_value_seed(Field { field: &field, text: &mut *self.text, is_item: false })?;
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The value of a field, or with `is_item` one of several.
struct Field<'f, 't> {
    field: &'f FieldDescriptor,
    text: &'t mut String,
    is_item: bool,
}

impl<'de> DeserializeSeed<'de> for Field<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.field.cardinality() == Cardinality::Repeated && !self.is_item {
            return deserializer.deserialize_seq(self);
        }
        let Self { field, text, .. } = self;
        *text += field.name();
        match field.kind() {
            Kind::Message(descriptor) => {
                *text += " {\n";
                Message { descriptor, text: &mut *text }.deserialize(deserializer)?;
                *text += "}\n";
            }
            kind => {
                let scalar = <String as serde::Deserialize>::deserialize(deserializer)?;
                let is_text = matches!(kind, Kind::String | Kind::Bytes);
                let quoted = || format!("\"{}\"", scalar.as_bytes().escape_ascii());
                *text += &format!(": {}\n", if is_text { quoted() } else { scalar.clone() });
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Field<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { field, text, .. } = self;
        while items.next_element_seed(Field { field, text: &mut *text, is_item: true })?.is_some() {
        }
        Ok(())
    }
}
