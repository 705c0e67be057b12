//! The commands of a script: each makes one hostcall and returns its status and results as text,
//! for the log. A mistake in the script is logged, too.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::abi::{self, Status};
use crate::contexts;
use crate::dialect::Dialect;
use crate::pairs;
use crate::script::{Line, Word};

/// A callback that is running.
pub struct Call<'a> {
    /// The version of the ABI.
    pub dialect: &'a Dialect,
    /// The context that it runs in.
    pub context: u32,
    /// Which call of this callback in this context it is, from 1.
    pub number: u32,
    /// What the callback will return.
    pub answer: u32,
}

/// The values that commands keep for later commands of the same VM.
#[derive(Default)]
struct Kept {
    last: Vec<u8>,
    cas: u32,
    token: u32,
    metrics: HashMap<Vec<u8>, u32>,
    queues: HashMap<Vec<u8>, u32>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// Longer values are cut in the log.
const SHOWN: usize = 2000;

const STATUSES: [&str; 13] = [
    "Ok",
    "NotFound",
    "BadArgument",
    "SerializationFailure",
    "ParseFailure",
    "BadExpression",
    "InvalidMemoryAccess",
    "Empty",
    "CasMismatch",
    "ResultMismatch",
    "InternalFailure",
    "BrokenConnection",
    "Unimplemented",
];

const MAPS: [&str; 8] = [
    "request_headers",
    "request_trailers",
    "response_headers",
    "response_trailers",
    "grpc_initial_metadata",
    "grpc_trailing_metadata",
    "call_headers",
    "call_trailers",
];

const BUFFERS: [&str; 9] = [
    "request",
    "response",
    "downstream",
    "upstream",
    "call",
    "grpc",
    "vm_configuration",
    "configuration",
    "foreign",
];

/// The buffer that has a value in a foreign function only. In Envoy it has what was read last.
const FOREIGN: usize = 8;

const STREAMS: [&str; 4] = ["request", "response", "downstream", "upstream"];

const METRICS: [&str; 3] = ["counter", "gauge", "histogram"];

const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "critical"];

/// Runs a command; the text for the log, empty for commands that make no hostcall. `each_map get x`
/// runs `get MAP x` for each kind of map and for a number that is none, and gives those with the
/// same result together; so do `each_buffer` and `each_stream`.
pub fn run(call: &mut Call<'_>, line: &Line) -> String {
    let kinds = match line.command.as_str() {
        "each_map" => MAPS.len(),
        "each_buffer" => BUFFERS.len(),
        "each_stream" => STREAMS.len(),
        _ => return run_one(call, line),
    };
    let mut results: Vec<(String, Vec<String>)> = Vec::new();
    for kind in (0..=kinds).filter(|kind| line.command != "each_buffer" || *kind != FOREIGN) {
        let mut words = line.words.clone();
        let command = match words
            .first_mut()
            .map(|word| std::mem::replace(word, Word::Bytes(kind.to_string().into_bytes())))
        {
            Some(Word::Bytes(command)) => String::from_utf8_lossy(&command).into_owned(),
            _ => return "no command".to_owned(),
        };
        let result = run_one(call, &Line { command, words, ..line.clone() });
        match results.iter_mut().find(|(known, _)| *known == result) {
            Some((_, kinds)) => kinds.push(kind.to_string()),
            None => results.push((result, vec![kind.to_string()])),
        }
    }
    let shown = results.iter().map(|(result, kinds)| format!("[{}] {result}", kinds.join(" ")));
    shown.collect::<Vec<_>>().join(" ")
}

fn run_one(call: &mut Call<'_>, line: &Line) -> String {
    let last = KEPT.with_borrow(|kept| kept.last.clone());
    let words = Words(
        line.words
            .iter()
            .map(|word| if let Word::Bytes(bytes) = word { bytes.clone() } else { last.clone() })
            .collect(),
    );
    headers(line, &words)
        .or_else(|| buffers(call, line, &words))
        .or_else(|| streams(call, line, &words))
        .or_else(|| services(call, line, &words))
        .or_else(|| callouts(line, &words))
        .unwrap_or_else(|| "no such command".to_owned())
}

fn headers(line: &Line, words: &Words) -> Option<String> {
    let map = || words.code(0, &MAPS);
    Some(match line.command.as_str() {
        "get" => value(abi::get_header(map(), words.at(1))),
        "add" => status(abi::add_header(map(), words.at(1), words.at(2))),
        "replace" => status(abi::replace_header(map(), words.at(1), words.at(2))),
        "remove" => status(abi::remove_header(map(), words.at(1))),
        "size" => shown(abi::map_size(map())),
        "pairs" => {
            let (code, serialized) = abi::get_pairs(map());
            let pairs = pairs::deserialize(&serialized);
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{}={}", name.escape_ascii(), quoted(value)))
                .collect();
            let written = if code == 0 && abi::wrote_nothing() { ", nothing written" } else { "" };
            format!("{}{written} [{}]", status(code), pairs.join(" "))
        }
        // Sets the pairs that are there.
        "keep_pairs" => status(abi::set_pairs(map(), &abi::get_pairs(map()).1)),
        "set_pairs" => status(abi::set_pairs(map(), &pairs::serialize(&words.pairs(1)))),
        "set_pairs_bytes" => status(abi::set_pairs(map(), words.at(1))),
        _ => return None,
    })
}

fn buffers(call: &Call<'_>, line: &Line, words: &Words) -> Option<String> {
    let buffer = || words.code(0, &BUFFERS);
    Some(match line.command.as_str() {
        "body" => value(abi::get_buffer(buffer(), words.number(1), words.number(2))),
        "set_body" => {
            status(abi::set_buffer(buffer(), words.number(1), words.number(2), words.at(3)))
        }
        "buffer_status" => {
            let (code, length, flags) = abi::buffer_status(buffer());
            format!("{} {length} {flags}", status(code))
        }
        "configuration" => {
            call.dialect.configuration.map_or_else(unknown, |configuration| value(configuration()))
        }
        _ => return None,
    })
}

fn streams(call: &mut Call<'_>, line: &Line, words: &Words) -> Option<String> {
    Some(match line.command.as_str() {
        "answer" => {
            call.answer = words.number(0);
            String::new()
        }
        "pause" => {
            call.answer = 1;
            String::new()
        }
        "continue" => status((call.dialect.continue_stream)(words.code(0, &STREAMS))),
        "close" => call
            .dialect
            .close_stream
            .map_or_else(unknown, |close| status(close(words.code(0, &STREAMS)))),
        "clear_route_cache" => {
            call.dialect.clear_route_cache.map_or_else(unknown, |clear| status(clear()))
        }
        // reply STATUS DETAILS BODY GRPC [name value]…
        "reply" => status(abi::send_local_response(
            words.number(0),
            words.at(1),
            words.at(2),
            &pairs::serialize(&words.pairs(4)),
            words.text(3).parse().unwrap_or(-1),
        )),
        "effective" => {
            let context = match words.text(0).as_str() {
                "self" => call.context,
                "root" => contexts::root_of(call.context),
                "stream" => contexts::last_stream(),
                number => number.parse().unwrap_or(u32::MAX),
            };
            status(abi::set_effective_context(context))
        }
        "done" => status(abi::done()),
        "trap" => core::arch::wasm32::unreachable(),
        _ => return None,
    })
}

fn services(call: &Call<'_>, line: &Line, words: &Words) -> Option<String> {
    Some(match line.command.as_str() {
        "log" => status(abi::log(words.code(0, &LEVELS), &words.text(1))),
        "log_level" => call.dialect.log_level.map_or_else(unknown, |level| shown(level())),
        "time" => status(abi::time().0),
        "tick" => status(abi::set_tick(words.number(0))),
        "prop" => value(abi::get_property(&words.path(0, words.0.len()))),
        // For values that differ from run to run.
        "prop_len" => {
            let (code, bytes) = abi::get_property(&words.path(0, words.0.len()));
            format!("{} {} bytes", status(code), bytes.len())
        }
        // set_prop PATH… VALUE
        "set_prop" => {
            let value = words.0.len().saturating_sub(1);
            status(abi::set_property(&words.path(0, value), words.at(value)))
        }
        "set_prop_bytes" => status(abi::set_property(words.at(0), words.at(1))),
        "define" => {
            let (code, id) = abi::define_metric(words.code(0, &METRICS), words.at(1));
            KEPT.with_borrow_mut(|kept| kept.metrics.insert(words.at(1).to_vec(), id));
            status(code)
        }
        "increment" => {
            status(abi::increment_metric(words.metric(0), words.text(1).parse().unwrap_or(0)))
        }
        "record" => status(abi::record_metric(words.metric(0), words.text(1).parse().unwrap_or(0))),
        "metric" => shown(abi::get_metric(words.metric(0))),
        "shared" => {
            let (code, bytes, cas) = abi::get_shared(words.at(0));
            KEPT.with_borrow_mut(|kept| kept.cas = cas);
            format!("{}{}", value((code, bytes)), if cas == 0 { " cas 0" } else { " cas" })
        }
        // set_shared KEY VALUE CAS, where `cas` is the number of the last `shared`.
        "set_shared" => {
            let cas = if words.text(2) == "cas" {
                KEPT.with_borrow(|kept| kept.cas)
            } else {
                words.number(2)
            };
            status(abi::set_shared(words.at(0), words.at(1), cas))
        }
        "register" => queue(words.at(0), abi::register_queue(words.at(0))),
        "resolve" => queue(words.at(1), abi::resolve_queue(words.at(0), words.at(1))),
        "enqueue" => status(abi::enqueue(words.queue(0), words.at(1))),
        "dequeue" => value(abi::dequeue(words.queue(0))),
        "foreign" => value(abi::foreign(words.at(0), words.at(1))),
        _ => return None,
    })
}

fn callouts(line: &Line, words: &Words) -> Option<String> {
    Some(match line.command.as_str() {
        // call CLUSTER TIMEOUT BODY [name value]… [trailers [name value]…]
        "call" => {
            let (headers, trailers) = words.two_maps(3);
            token(abi::http_call(words.at(0), &headers, words.at(2), &trailers, words.number(1)))
        }
        // grpc CLUSTER SERVICE METHOD TIMEOUT MESSAGE [name value]…
        "grpc" => token(abi::grpc_call(
            words.at(0),
            words.at(1),
            words.at(2),
            &pairs::serialize(&words.pairs(5)),
            words.at(4),
            words.number(3),
        )),
        // grpc_stream CLUSTER SERVICE METHOD [name value]…
        "grpc_stream" => token(abi::grpc_stream(
            words.at(0),
            words.at(1),
            words.at(2),
            &pairs::serialize(&words.pairs(3)),
        )),
        // grpc_send MESSAGE END
        "grpc_send" => status(abi::grpc_send(kept_token(), words.at(0), words.text(1) == "true")),
        "grpc_cancel" => status(abi::grpc_cancel(kept_token())),
        "grpc_close" => status(abi::grpc_close(kept_token())),
        "status" => {
            let (code, number, message) = abi::get_status();
            format!("{} {number} {}", status(code), quoted(&message))
        }
        _ => return None,
    })
}

fn kept_token() -> u32 {
    KEPT.with_borrow(|kept| kept.token)
}

fn status(code: Status) -> String {
    usize::try_from(code)
        .ok()
        .and_then(|code| STATUSES.get(code))
        .map_or_else(|| code.to_string(), ToString::to_string)
}

fn unknown() -> String {
    "not in this version of the ABI".to_owned()
}

fn quoted(bytes: &[u8]) -> String {
    if bytes.len() > SHOWN {
        return format!("{} bytes \"{}…\"", bytes.len(), bytes[..40].escape_ascii());
    }
    format!("\"{}\"", bytes.escape_ascii())
}

fn value((code, bytes): (Status, Vec<u8>)) -> String {
    let text = if code == 0 && abi::wrote_nothing() {
        format!("{}, and nothing is written", status(code))
    } else if code == 0 || !bytes.is_empty() {
        format!("{} {}", status(code), quoted(&bytes))
    } else {
        status(code)
    };
    KEPT.with_borrow_mut(|kept| kept.last = bytes);
    text
}

fn shown<T: ToString>((code, number): (Status, T)) -> String {
    if code == 0 { format!("{} {}", status(code), number.to_string()) } else { status(code) }
}

fn token((code, token): (Status, u32)) -> String {
    if code == 0 {
        KEPT.with_borrow_mut(|kept| kept.token = token);
    }
    status(code)
}

fn queue(name: &[u8], (code, id): (Status, u32)) -> String {
    if code == 0 {
        KEPT.with_borrow_mut(|kept| kept.queues.insert(name.to_vec(), id));
    }
    status(code)
}

/// The words of a command; a missing word is empty or zero.
struct Words(Vec<Vec<u8>>);

impl Words {
    fn at(&self, index: usize) -> &[u8] {
        self.0.get(index).map_or(&[], Vec::as_slice)
    }

    fn text(&self, index: usize) -> String {
        String::from_utf8_lossy(self.at(index)).into_owned()
    }

    fn number<T: std::str::FromStr + Default>(&self, index: usize) -> T {
        self.text(index).parse().unwrap_or_default()
    }

    /// A name's index in a list, or the number itself.
    fn code(&self, index: usize, names: &[&str]) -> u32 {
        let word = self.text(index);
        names
            .iter()
            .position(|name| *name == word)
            .map_or_else(|| word.parse().unwrap_or(u32::MAX), |at| at as u32)
    }

    /// The words from `start` on, in pairs of a name and a value.
    fn pairs(&self, start: usize) -> Vec<(&[u8], &[u8])> {
        let rest = self.0.get(start..).unwrap_or_default();
        rest.chunks(2)
            .map(|pair| (pair[0].as_slice(), pair.get(1).map_or(&[][..], Vec::as_slice)))
            .collect()
    }

    /// The pairs before the word `trailers` and those after it, in the ABI's form.
    fn two_maps(&self, start: usize) -> (Vec<u8>, Vec<u8>) {
        let rest = self.0.get(start..).unwrap_or_default();
        let split = rest.iter().position(|word| word == b"trailers").unwrap_or(rest.len());
        let headers = Self(rest[..split].to_vec());
        let trailers = Self(rest.get(split + 1..).unwrap_or_default().to_vec());
        (pairs::serialize(&headers.pairs(0)), pairs::serialize(&trailers.pairs(0)))
    }

    /// Words as a property path, separated by zero bytes.
    fn path(&self, start: usize, end: usize) -> Vec<u8> {
        self.0.get(start..end).unwrap_or_default().join(&0)
    }

    fn metric(&self, index: usize) -> u32 {
        KEPT.with_borrow(|kept| kept.metrics.get(self.at(index)).copied())
            .unwrap_or_else(|| self.number(index))
    }

    fn queue(&self, index: usize) -> u32 {
        KEPT.with_borrow(|kept| kept.queues.get(self.at(index)).copied())
            .unwrap_or_else(|| self.number(index))
    }
}
