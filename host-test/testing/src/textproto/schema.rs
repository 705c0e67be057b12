//! The messages of `proto/suite.proto`, where each field is explained, as Rust types.

#![allow(missing_docs, reason = "proto/suite.proto explains the fields")]

use prost::{Enumeration, Message, Oneof};

/// A whole file.
#[derive(Clone, PartialEq, Message)]
pub struct TestSuite {
    #[prost(message, optional, tag = "1")]
    pub env: Option<Env>,
    #[prost(message, repeated, tag = "2")]
    pub test: Vec<Test>,
    #[prost(message, optional, tag = "101")]
    pub runtime: Option<Env>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Env {
    #[prost(string, tag = "1")]
    pub test_path: String,
    #[prost(string, tag = "2")]
    pub wasm_path: String,
    #[prost(string, tag = "3")]
    pub config_path: String,
    #[prost(enumeration = "LogLevel", tag = "4")]
    pub log_level: i32,
    #[prost(string, tag = "5")]
    pub log_path: String,
    #[prost(uint64, optional, tag = "6")]
    pub time_secs: Option<u64>,
    #[prost(uint64, optional, tag = "7")]
    pub num_additional_streams: Option<u64>,
    #[prost(uint64, optional, tag = "8")]
    pub additional_stream_advance_rate: Option<u64>,
    #[prost(enumeration = "LogLevel", tag = "101")]
    pub min_log_level: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum LogLevel {
    Undefined = 0,
    Trace = 1,
    Debug = 2,
    Info = 3,
    Warn = 4,
    Error = 5,
    Critical = 6,
}

#[derive(Clone, PartialEq, Message)]
pub struct Test {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bool, tag = "2")]
    pub benchmark: bool,
    #[prost(message, optional, tag = "3")]
    pub request_headers: Option<Invocation>,
    #[prost(message, repeated, tag = "4")]
    pub request_body: Vec<Invocation>,
    #[prost(message, optional, tag = "5")]
    pub response_headers: Option<Invocation>,
    #[prost(message, repeated, tag = "6")]
    pub response_body: Vec<Invocation>,
    #[prost(message, optional, tag = "7")]
    pub plugin_init: Option<Expectation>,
    #[prost(message, optional, tag = "8")]
    pub stream_init: Option<Expectation>,
    #[prost(message, optional, tag = "9")]
    pub stream_destroy: Option<Expectation>,
    #[prost(message, repeated, tag = "12")]
    pub properties: Vec<Property>,
    #[prost(oneof = "BodyChunkingPlan", tags = "10, 11")]
    pub body_chunking_plan: Option<BodyChunkingPlan>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub enum BodyChunkingPlan {
    #[prost(int32, tag = "10")]
    NumChunks(i32),
    #[prost(int64, tag = "11")]
    ChunkSize(i64),
}

#[derive(Clone, PartialEq, Message)]
pub struct Property {
    #[prost(string, tag = "1")]
    pub path: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Invocation {
    #[prost(message, optional, tag = "1")]
    pub input: Option<Input>,
    #[prost(message, optional, tag = "2")]
    pub result: Option<Expectation>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Input {
    #[prost(message, repeated, tag = "1")]
    pub header: Vec<Header>,
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
    #[prost(string, tag = "3")]
    pub file: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Header {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Expectation {
    #[prost(message, repeated, tag = "1")]
    pub has_header: Vec<Header>,
    #[prost(message, repeated, tag = "2")]
    pub no_header: Vec<Header>,
    #[prost(message, repeated, tag = "3")]
    pub headers: Vec<HeadersMatcher>,
    #[prost(message, repeated, tag = "4")]
    pub body: Vec<StringMatcher>,
    #[prost(message, optional, tag = "5")]
    pub immediate: Option<Immediate>,
    #[prost(message, repeated, tag = "6")]
    pub log: Vec<StringMatcher>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Immediate {
    #[prost(uint32, optional, tag = "1")]
    pub http_status: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    pub grpc_status: Option<u32>,
    #[prost(string, optional, tag = "3")]
    pub details: Option<String>,
    #[prost(message, repeated, tag = "101")]
    pub body: Vec<StringMatcher>,
    #[prost(message, optional, tag = "102")]
    pub headers: Option<HeadersMatcher>,
}

#[derive(Clone, PartialEq, Message)]
pub struct StringMatcher {
    #[prost(bool, tag = "1")]
    pub invert: bool,
    #[prost(oneof = "Matcher", tags = "2, 3, 4")]
    pub matcher: Option<Matcher>,
}

#[derive(Clone, PartialEq, Message)]
pub struct HeadersMatcher {
    #[prost(bool, tag = "1")]
    pub invert: bool,
    #[prost(message, repeated, tag = "101")]
    pub has_header: Vec<Header>,
    #[prost(message, repeated, tag = "102")]
    pub no_header: Vec<Header>,
    #[prost(message, repeated, tag = "103")]
    pub headers_serialized: Vec<StringMatcher>,
    #[prost(oneof = "Matcher", tags = "2, 3, 4")]
    pub matcher: Option<Matcher>,
}

/// What both matchers compare with.
#[derive(Clone, PartialEq, Oneof)]
pub enum Matcher {
    #[prost(bytes, tag = "2")]
    Exact(Vec<u8>),
    #[prost(string, tag = "3")]
    Regex(String),
    #[prost(string, tag = "4")]
    File(String),
}
