//! A scenario of the corpus: plugins with their scripts, the requests that a client sends, and what
//! the upstream answers. It has no expected result: the result on Envoy is what is expected.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The pause between the parts of a message, in which a proxy handles the part before.
pub const BETWEEN_PARTS: std::time::Duration = std::time::Duration::from_millis(60);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file that it is in.
    #[serde(skip)]
    pub file: String,
    #[serde(skip)]
    pub name: String,
    /// In the order in which they see a request.
    pub plugins: Vec<Plugin>,
    #[serde(default = "one_get")]
    pub requests: Vec<Request>,
    #[serde(default)]
    pub response: Response,
    /// The limit of buffers.
    pub buffer_bytes: Option<u32>,
    /// Envoy's `allow_on_headers_stop_iteration`.
    #[serde(default)]
    pub allow_stop: bool,
    /// The sizes of a body's parts differ from run to run, so they are not compared.
    #[serde(default)]
    pub parts_vary: bool,
    /// The client speaks HTTP/1.1.
    #[serde(default)]
    pub http1: bool,
    /// Milliseconds to wait after the last answer, for instance for ticks.
    #[serde(default)]
    pub wait_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// By default a letter: `a` for the first.
    #[serde(default)]
    pub name: String,
    /// The plugin configuration.
    #[serde(default)]
    pub script: String,
    /// The VM configuration.
    #[serde(default)]
    pub vm_script: String,
    #[serde(default = "probe")]
    pub guest: String,
    /// Plugins with the same word share a VM.
    pub vm: Option<String>,
    #[serde(default)]
    pub root_id: String,
    /// `closed`, `open` or `reload`.
    #[serde(default = "closed")]
    pub fail: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    #[serde(default = "get")]
    pub method: String,
    #[serde(default = "root_path")]
    pub path: String,
    #[serde(default = "shop")]
    pub authority: String,
    #[serde(default)]
    pub headers: Vec<String>,
    #[serde(default)]
    pub body: Vec<String>,
    #[serde(default)]
    pub trailers: Vec<String>,
    #[serde(default)]
    pub end: End,
    /// Milliseconds to wait before it.
    #[serde(default)]
    pub after_ms: u64,
    /// The client resets the stream when there is no answer after so many milliseconds.
    pub gives_up_ms: Option<u64>,
    /// Sent without waiting for the answers of those before.
    #[serde(default)]
    pub at_once: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    #[serde(default = "ok")]
    pub status: u16,
    #[serde(default)]
    pub headers: Vec<String>,
    #[serde(default)]
    pub body: Vec<String>,
    #[serde(default)]
    pub trailers: Vec<String>,
    #[serde(default)]
    pub end: End,
    /// The upstream resets the stream instead of ending it.
    #[serde(default)]
    pub reset: bool,
}

/// The part that carries the end of a message without trailers.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Its last part.
    #[default]
    Last,
    /// An empty part of the body after the last.
    Empty,
}

impl Default for Response {
    fn default() -> Self {
        Self {
            status: ok(),
            headers: vec![],
            body: vec![],
            trailers: vec![],
            end: End::Last,
            reset: false,
        }
    }
}

fn one_get() -> Vec<Request> {
    vec![Request {
        method: get(),
        path: root_path(),
        authority: shop(),
        headers: vec![],
        body: vec![],
        trailers: vec![],
        end: End::Last,
        after_ms: 0,
        gives_up_ms: None,
        at_once: false,
    }]
}

fn probe() -> String {
    "probe".to_owned()
}

fn closed() -> String {
    "closed".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

fn root_path() -> String {
    "/".to_owned()
}

fn shop() -> String {
    "shop.example".to_owned()
}

fn ok() -> u16 {
    200
}

impl Scenario {
    /// The lines of a log that are the same in every run.
    pub fn compared(&self, mut log: Vec<String>) -> Vec<String> {
        log.retain(|line| !self.parts_vary || !line.contains("_body("));
        log
    }

    /// The metrics that the scripts define.
    pub fn metrics(&self) -> BTreeSet<String> {
        let lines = self.plugins.iter().flat_map(|plugin| plugin.script.lines());
        let name = |line: &str| {
            line.split_once("define ")
                .and_then(|(_, words)| Some(words.split(' ').nth(1)?.to_owned()))
        };
        lines.filter_map(name).collect()
    }
}

/// The name under which Envoy logs a plugin's line: what root contexts log comes under the name of
/// the VM.
pub fn logged_as<'a>(plugin: &'a Plugin, message: &str) -> &'a str {
    let callback = message.split([':', '(']).next().unwrap_or_default();
    let of_root =
        ["vm_start", "configure", "tick", "queue_ready", "http_call_response", "foreign_function"];
    match &plugin.vm {
        Some(vm) if of_root.contains(&callback) || callback.starts_with("grpc_") => vm,
        _ => &plugin.name,
    }
}

/// The scenarios of a file, in its order.
pub fn read(file: &str, text: &str) -> Vec<Scenario> {
    let scenarios: BTreeMap<String, Scenario> =
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("corpus/{file}.yaml: {error}"));
    scenarios
        .into_iter()
        .map(|(name, mut scenario)| {
            for (plugin, letter) in scenario.plugins.iter_mut().zip('a'..) {
                if plugin.name.is_empty() {
                    plugin.name = letter.to_string();
                }
            }
            Scenario { file: file.to_owned(), name, ..scenario }
        })
        .collect()
}

/// A header line's name and value.
pub fn header(line: &str) -> (&str, &str) {
    let (name, value) =
        line.split_once(':').unwrap_or_else(|| panic!("`{line}` is no header line"));
    (name, value.trim_start())
}

/// A part of a body: `a*1000` is a thousand times `a`.
pub fn part(text: &str) -> Vec<u8> {
    match text.split_once('*').and_then(|(unit, times)| Some((unit, times.parse().ok()?))) {
        Some((unit, times)) => unit.as_bytes().repeat(times),
        None => text.as_bytes().to_vec(),
    }
}
