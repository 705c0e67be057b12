//! The shipped filter module, run by `gatepost-host`: for every request it does what the engine
//! decides, and it never traps.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::LazyLock;

use gatepost_engine::{
    ChangedHeader, Changes, Counter, Mode, Owed, Request, SetHeader, Verdict, Writes,
};
use gatepost_host::{
    Engine, EngineOptions, FinalMaps, Headers, Host, LocalReply, Module, Outcome, Plugin,
    PluginConfig, StreamId, StreamInfo, Vm, VmOptions,
};
use gatepost_invariants::carried::{Arrival, Header, carry_out};
use gatepost_invariants::case::{Case, Known};
use gatepost_invariants::document::is_spelling_of;

static MODULE: LazyLock<Module> = LazyLock::new(|| {
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    Module::new(&engine, "filter", gatepost_filter_wasm::MODULE).expect("the filter is a module")
});

/// How much more memory a filter may take for requests than it had for its policy, in bytes.
const MEMORY: usize = 1 << 20;

/// The filter with one policy. It serves one request after the other, as in a proxy.
struct Running {
    vm: Vm,
    plugin: Plugin,
    host: Host,
    /// What the counters must be.
    counts: BTreeMap<String, u64>,
    memory: usize,
}

thread_local! {
    /// A filter for each policy that was used so far, by the policy's address. Policies are never
    /// freed.
    static RUNNING: RefCell<HashMap<*const Known, Running>> = RefCell::default();
}

/// Checks all invariants of the filter, for the case in these bytes.
///
/// # Panics
/// When one is broken.
pub fn holds(text: &[u8]) {
    let Case { known, arrival, response } = Case::read(text);
    RUNNING.with_borrow_mut(|running| {
        running
            .entry(known)
            .or_insert_with(|| Running::start(known))
            .decides_as_the_engine(known, &arrival, &response);
    });
}

impl Running {
    fn start(known: &Known) -> Self {
        let host = Host::default();
        let mut vm = Vm::new(&MODULE, host.clone(), VmOptions::default()).expect("a VM");
        let configuration = known.configuration.clone().into();
        let plugin = vm
            .start_plugin(PluginConfig { configuration, ..PluginConfig::default() })
            .expect("the policy has no errors");
        let memory = vm.memory_bytes();
        Self { vm, plugin, host, counts: BTreeMap::new(), memory }
    }

    fn decides_as_the_engine(&mut self, known: &Known, arrival: &Arrival, response: &[Header]) {
        let policy = &known.policy;
        let came = Headers::request(arrival.headers.iter().map(|(name, value)| (name, value)));
        let pairs: Vec<(&[u8], &[u8])> = came.iter().collect();
        let decision =
            policy.decide(&Request { headers: pairs.iter().copied(), source: &arrival.source });
        let names = policy.counters();
        let mut count = |counter| {
            let (_, name) =
                names.iter().find(|(known, _)| *known == counter).expect("a counter of the policy");
            *self.counts.entry(name.clone()).or_default() += 1;
        };
        decision.counters.iter().for_each(&mut count);
        let sent = Headers::response(
            [(&b":status"[..], &b"200"[..])]
                .into_iter()
                .chain(response.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))),
        );
        let own = decision.owed.changes(&std::iter::empty()).headers;
        let owed = match &decision.verdict {
            Verdict::Forward(_) if policy.mode() == Mode::Enforce => decision.owed,
            _ => Owed::default(),
        };
        let lines: Vec<(&[u8], &[u8])> = sent.iter().collect();
        let changes = owed.changes(&lines.iter().copied());
        if changes.is_restored {
            count(Counter::ResponseRestored);
        }
        let (wanted, outcome) = match (policy.mode(), decision.verdict) {
            (Mode::Enforce, Verdict::Forward(writes)) => {
                (written(&came, &writes), Outcome::Continue)
            }
            (Mode::Enforce, Verdict::Reply(reply)) => {
                let text = |text: &str| gatepost_host::Text(text.as_bytes().to_vec().into());
                let (details, body) = (text(&reply.details), text(&reply.body));
                let reply = LocalReply {
                    status: reply.status.into(),
                    details,
                    body,
                    headers: own.into_iter().flat_map(pairs_of).collect(),
                    grpc_status: reply.grpc_status,
                };
                (came.clone(), Outcome::LocalReply(Box::new(reply)))
            }
            (Mode::Observe, _) => (came.clone(), Outcome::Continue),
        };

        let source = arrival.source.map(|address| SocketAddr::new(address, 4711));
        let mut headers = came.clone();
        let stream = self
            .vm
            .stream(self.plugin, StreamInfo { source, ..StreamInfo::default() })
            .expect("a stream");
        let answered =
            self.vm.request_headers(stream, &mut headers, false).expect("the filter never traps");
        if answered == Outcome::Continue {
            self.trailers_are_guarded(stream, known, arrival, &came);
            let mut headers = sent.clone();
            let answered = self.vm.response_headers(stream, &mut headers, false);
            assert_eq!(answered.expect("the filter never traps"), Outcome::Continue);
            assert_eq!(headers.to_string(), given(&sent, &changes).to_string(), "{arrival:?}");
        }
        self.vm
            .finish(
                stream,
                FinalMaps { request_headers: Some(&mut headers), ..FinalMaps::default() },
            )
            .expect("an end");
        assert_eq!(answered, outcome, "{arrival:?}");
        assert_eq!(headers.to_string(), wanted.to_string(), "{arrival:?}");

        // The timer flushes the counters.
        self.vm.tick(self.plugin).expect("the filter never traps");
        for (name, count) in &self.counts {
            assert_eq!(self.host.metrics.value(name), Some(*count), "{name}: {arrival:?}");
        }
        assert!(
            self.vm.memory_bytes() <= self.memory + MEMORY,
            "{} bytes of memory: {arrival:?}",
            self.vm.memory_bytes()
        );
    }
}

impl Running {
    /// Sends the request's headers again, as trailers: those that a client may not send are gone
    /// unless the request passed.
    fn trailers_are_guarded(
        &mut self,
        stream: StreamId,
        known: &Known,
        arrival: &Arrival,
        sent: &Headers,
    ) {
        // The host joins some headers, as Envoy does, before the filter sees them.
        let headers = sent.iter().map(|(name, value)| (name.to_vec(), value.to_vec()));
        let seen = Arrival { headers: headers.collect(), source: arrival.source };
        let passed = known.policy.mode() == Mode::Observe
            || carry_out(&known.policy, &seen)
                .health_check()
                .is_some_and(|name| known.document.passes(name));
        let mut trailers = sent.clone();
        let answered = self.vm.request_trailers(stream, &mut trailers);
        assert_eq!(answered.expect("the filter never traps"), Outcome::Continue, "{arrival:?}");
        let names = |headers: &Headers| -> Vec<Vec<u8>> {
            headers.iter().map(|(name, _)| name.to_vec()).collect()
        };
        if passed {
            assert_eq!(names(&trailers), names(sent), "{arrival:?}");
            return;
        }
        for name in known.document.guarded() {
            let arrived = names(&trailers).into_iter().find(|other| is_spelling_of(&name, other));
            assert_eq!(arrived, None, "a form of {name} arrives as a trailer: {arrival:?}");
        }
    }
}

/// The engine's writes, applied to a header map of the host.
fn written(came: &Headers, writes: &Writes<'_>) -> Headers {
    let mut headers = came.clone();
    for name in &writes.remove {
        headers.remove(name);
    }
    writes.path.iter().for_each(|path| headers.replace(":path", path));
    writes.authority.iter().for_each(|authority| headers.replace(":authority", &**authority));
    for SetHeader { name, value, replaces } in &writes.set {
        if *replaces { headers.replace(name, &**value) } else { headers.add(name, &**value) }
    }
    headers
}

/// The changes of a response, made in a header map of the host.
fn given(sent: &Headers, changes: &Changes) -> Headers {
    let mut headers = sent.clone();
    for ChangedHeader { name, lines, replaces } in &changes.headers {
        if *replaces {
            headers.remove(name);
        }
        lines.iter().for_each(|line| headers.add(name, line.clone()));
    }
    headers
}

/// The lines of a header that the gateway's own answer has.
fn pairs_of(
    header: ChangedHeader,
) -> impl Iterator<Item = (gatepost_host::Text, gatepost_host::Text)> {
    let text = |bytes: Vec<u8>| gatepost_host::Text(bytes.into());
    let ChangedHeader { name, lines, .. } = header;
    lines.into_iter().map(move |line| (text(name.into()), text(line)))
}
