//! The schema of `tests.textpb` files. Its compiled form is committed, so that a build needs no
//! compiler for schemas, and its Rust types are written by hand.

use std::fs;
use std::path::{Path, PathBuf};

use gatepost_host_testing::textproto::schema::{LogLevel, TestSuite};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};

/// Set to write the compiled form instead of comparing it.
const WRITE: &str = "GATEPOST_WRITE_SCHEMA";

fn proto(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("proto").join(name)
}

fn compiled() -> Vec<u8> {
    let mut compiler = protox::Compiler::new([proto("")]).expect("a folder");
    compiler.include_source_info(false).open_file("suite.proto").expect("a schema");
    compiler.encode_file_descriptor_set()
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(&compiled()[..]).expect("a schema")
}

#[test]
fn the_committed_descriptors_are_those_of_the_schema() {
    let file = proto("suite.bin");
    if std::env::var_os(WRITE).is_some() {
        fs::write(&file, compiled()).expect("a writable folder");
    }
    assert!(
        fs::read(&file).is_ok_and(|committed| committed == compiled()),
        "proto/suite.bin is not what proto/suite.proto gives; {WRITE}=1 writes it"
    );
}

/// A message with a value in every field, and in one field of each `oneof`.
fn filled(descriptor: &MessageDescriptor, choice: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let chosen = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        if chosen.is_none_or(|oneof| {
            oneof.fields().nth(choice % oneof.fields().len()).as_ref() == Some(&field)
        }) {
            message.set_field(&field, value(&field, choice));
        }
    }
    message
}

fn value(field: &FieldDescriptor, choice: usize) -> Value {
    let one = match field.kind() {
        Kind::Message(descriptor) => Value::Message(filled(&descriptor, choice)),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::String => Value::String("text".to_owned()),
        Kind::Bytes => Value::Bytes(b"bytes\xff".to_vec().into()),
        Kind::Bool => Value::Bool(true),
        Kind::Int32 => Value::I32(-7),
        Kind::Int64 => Value::I64(-7),
        Kind::Uint32 => Value::U32(7),
        Kind::Uint64 => Value::U64(7),
        other => panic!("{}: the schema has no {other:?} yet", field.full_name()),
    };
    if field.is_list() { Value::List(vec![one.clone(), one]) } else { one }
}

#[test]
fn the_types_hold_every_field_of_the_schema() {
    let suite = pool().get_message_by_name("gatepost.service_extensions.TestSuite").expect("known");
    for choice in 0..3 {
        let written = filled(&suite, choice);
        let typed: TestSuite = written.transcode_to().expect("the same types");
        let read = DynamicMessage::decode(suite.clone(), &typed.encode_to_vec()[..]).expect("read");
        assert_eq!(read, written);
    }
}

#[test]
fn the_levels_are_those_of_the_schema() {
    let levels =
        pool().get_enum_by_name("gatepost.service_extensions.Env.LogLevel").expect("known");
    for level in levels.values() {
        let typed = LogLevel::try_from(level.number()).expect("known");
        assert_eq!(format!("{typed:?}").to_uppercase(), level.name());
    }
}
