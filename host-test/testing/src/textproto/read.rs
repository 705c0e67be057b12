//! Reads a file, and finds the files that it names.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use gatepost_diagnostics::{Diagnostic, Report, Source, Span, did_you_mean, read_file_below};
use miette::Diagnostic as _;
use prost_reflect::text_format::ParseError;
use prost_reflect::{DescriptorPool, DynamicMessage, EnumDescriptor, MessageDescriptor};
use serde::de::DeserializeSeed as _;

use super::lists::Colons;
use super::{schema, yaml};
use crate::MAX_DATA_FILE;
use crate::suite::read::form_error;

/// A file that has been read.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The file.
    pub path: PathBuf,
    /// What it says of the module and its surroundings.
    pub env: schema::Env,
    /// Its tests.
    pub tests: Vec<schema::Test>,
}

static SUITE: LazyLock<Option<MessageDescriptor>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(&include_bytes!("../../proto/suite.bin")[..]).ok()?;
    pool.get_message_by_name("gatepost.service_extensions.TestSuite")
});

impl Suite {
    /// Reads a text. Files that it names are found by `path`.
    ///
    /// # Errors
    /// The first thing that is wrong; the format's parser stops there.
    pub(crate) fn parse(path: &Path, source: Source) -> Result<Self, Report> {
        match read(&source) {
            Ok((env, tests)) => Ok(Self { path: path.to_owned(), env, tests }),
            Err(error) => Err(Report::new(Arc::new(source), vec![*error])),
        }
    }

    /// Reads the second form of such files, YAML.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn parse_yaml(path: &Path, source: Source) -> Result<Self, Report> {
        let mut text = String::new();
        let read = SUITE.clone().map(|descriptor| {
            let suite = yaml::Message { descriptor, text: &mut text };
            serde_saphyr::with_deserializer_from_str(source.text(), |reader| {
                suite.deserialize(reader)
            })
        });
        match read {
            Some(Err(error)) => {
                let error = form_error(&source, &error);
                Err(Report::new(Arc::new(source), vec![error]))
            }
            Some(Ok(())) | None => Self::parse(path, Source::new(path.display().to_string(), text)),
        }
    }

    /// A path that is relative to the file.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// Reads a file that the tests name. As Google's runner finds files from the working folder, it
    /// may be below that one, too.
    pub(super) fn read_data(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        read_file_below(&[&self.beside(""), Path::new(".")], path, MAX_DATA_FILE)
    }

    /// A path that is relative to the working folder or, if nothing is there, to the file.
    #[must_use]
    pub fn anywhere(&self, path: &str) -> PathBuf {
        let here = PathBuf::from(path);
        if here.exists() { here } else { self.beside(path) }
    }
}

fn read(source: &Source) -> Result<(schema::Env, Vec<schema::Test>), Box<Diagnostic>> {
    let whole = |code, message: String| {
        Box::new(Diagnostic::error(code, message).at(source, Span::default()))
    };
    // The schema is built into the program, so only a broken build lacks it.
    let descriptor = SUITE.clone().ok_or_else(|| {
        whole("broken-build", "the schema of test files is broken in this build".to_owned())
    })?;
    let colons = Colons::put_into(source.text());
    let parsed = DynamicMessage::parse_text_format(descriptor, &colons.text)
        .map_err(|error| Box::new(parse_error(source, &colons, &error)))?;
    let suite: schema::TestSuite =
        parsed.transcode_to().map_err(|error| whole("invalid-value", error.to_string()))?;
    let env = match (suite.env, suite.runtime) {
        (Some(_), Some(_)) => {
            let message = "`env` and `runtime` are two names for one thing: give one";
            return Err(whole("exactly-one", message.to_owned()));
        }
        (env, runtime) => env.or(runtime).unwrap_or_default(),
    };
    if suite.test.is_empty() {
        let message = "there is no `test`: nothing would be tested";
        return Err(whole("no-tests", message.to_owned()));
    }
    Ok((env, suite.test))
}

/// An error of the parser. Its message is the only place where it says which name it did not find,
/// and in what.
fn parse_error(source: &Source, colons: &Colons, error: &ParseError) -> Diagnostic {
    let offset =
        error.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
    let message = error.to_string();
    let mut quoted = message.split('\'').skip(1).step_by(2);
    let (code, help) = match (quoted.next(), quoted.next()) {
        (Some(written), Some(within)) if message.contains("not found") => unknown(written, within),
        _ => ("syntax", None),
    };
    Diagnostic::error(code, message.replace("gatepost.service_extensions.", ""))
        .at(source, source.word_at(colons.written(offset)))
        .with_help(help)
}

/// The code for a name that a message or an enum does not have, and the name probably meant.
fn unknown(written: &str, within: &str) -> (&'static str, Option<String>) {
    let pool = SUITE.as_ref().map(MessageDescriptor::parent_pool);
    let message = pool.and_then(|pool| pool.get_message_by_name(within));
    let choices = pool.and_then(|pool| pool.get_enum_by_name(within));
    let fields = message.iter().flat_map(MessageDescriptor::fields);
    let mut names: Vec<String> = fields.map(|field| field.name().to_owned()).collect();
    let choices_of = choices.iter().flat_map(EnumDescriptor::values);
    names.extend(choices_of.map(|value| value.name().to_owned()));
    let code = if choices.is_some() { "unknown-choice" } else { "unknown-field" };
    (code, did_you_mean(written, names.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Suite, String> {
        let path = "dir/tests.textpb";
        Suite::parse(Path::new(path), Source::new(path, text)).map_err(|report| report.to_string())
    }

    #[test]
    fn the_fields_of_every_version_are_known() {
        let suite = parse(
            r#"
            runtime {
              wasm_path: "a.wasm" config_path: "c" min_log_level: WARN time_secs: 1
              log_path: "/dev/stdout" num_additional_streams: 3 additional_stream_advance_rate: 1
            }
            test {
              name: "one" benchmark: true num_chunks: 2
              properties { path: "a.b" value: "\377" }
              request_headers {
                input { header { key: ":path" value: "/" } header < key: "x" value: "a" "b" > }
                result {
                  has_header { key: "a" value: "b" } no_header { key: "c" }
                  headers { regex: "a: .*" invert: true }
                  headers {
                    has_header { key: "a" value: "b" } headers_serialized { exact: "a: b" }
                  }
                  immediate {
                    http_status: 200 grpc_status: 1 details: "d" body { exact: "x" }
                    headers { no_header { key: "y" } }
                  }
                  log { exact: "l" }
                }
              }
              request_body { input { content: "x" } } request_body { input { file: "f" } }
              response_headers { } response_body { result { body { file: "g" } } }
              plugin_init { log { regex: ".*" } } stream_init { } stream_destroy { }
            }
            test { name: "two", chunk_size: 7; }  # a comment
            "#,
        )
        .unwrap();
        assert_eq!(
            (suite.env.wasm_path.as_str(), suite.env.min_log_level()),
            ("a.wasm", schema::LogLevel::Warn)
        );
        assert_eq!(suite.tests.len(), 2);
        let test = &suite.tests[0];
        assert_eq!(test.properties[0].value, b"\xff");
        let input = test.request_headers.as_ref().unwrap().input.as_ref().unwrap();
        assert_eq!(input.header[1].value, b"ab");
    }

    #[test]
    fn messages_may_stand_in_a_list_with_or_without_a_colon() {
        let suite = parse(
            r#"test { request_headers {
                input { header [ { key: "a" value: "[" }, { key: "b" } ] }
                result { no_header: [ { key: "c" } ] headers [ ] }
            } }"#,
        )
        .unwrap();
        let phase = suite.tests[0].request_headers.as_ref().unwrap();
        assert_eq!(phase.input.as_ref().unwrap().header.len(), 2);
        assert_eq!(phase.result.as_ref().unwrap().no_header.len(), 1);
        assert_eq!(
            parse("test { name: \"a\"\n  properties [ { paht: \"a\" } ] }").unwrap_err(),
            "dir/tests.textpb:2:18: field 'paht' not found for message 'Property'; did you mean \
             `path`?"
        );
    }

    #[test]
    fn a_fault_has_its_place_and_a_suggestion() {
        assert_eq!(
            parse("test {\n  name: \"a\"\n  request_header { }\n}").unwrap_err(),
            "dir/tests.textpb:3:3: field 'request_header' not found for message 'Test'; did you \
             mean `request_headers`?"
        );
        assert_eq!(
            parse("env { log_level: LOUD }").unwrap_err(),
            "dir/tests.textpb:1:18: value 'LOUD' was not found for enum 'Env.LogLevel'"
        );
        assert_eq!(
            parse("env { log_level: DEBUGG }").unwrap_err(),
            "dir/tests.textpb:1:18: value 'DEBUGG' was not found for enum 'Env.LogLevel'; did you \
             mean `DEBUG`?"
        );
        assert_eq!(
            parse("env { } runtime { }").unwrap_err(),
            "dir/tests.textpb:1:1: `env` and `runtime` are two names for one thing: give one"
        );
    }
}
