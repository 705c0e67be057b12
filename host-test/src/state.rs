//! What a wasmtime store holds for one VM: the host it shares with others, its contexts, and what
//! hostcalls need beside them. The VM fills it before it calls the guest; hostcalls read and change
//! it. Nothing here knows the guest's memory layout or calls the guest.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::{Memory, TypedFunc};

use crate::abi::{AbiVersion, LogLevel, Status};
use crate::callout::{CalloutKind, CalloutRequest, CalloutStatus, Callouts, Delivery};
use crate::clock::{RandomSource, SystemRandom};
use crate::contexts::Contexts;
use crate::guest_clock::GuestClock;
use crate::host::Host;
use crate::limits::{Limiter, Limits, Refused};
use crate::metrics::MetricIds;
use crate::plugin::Environment;
use crate::profile::Profile;
use crate::recording::draft::Draft;
use crate::recording::{Recorded, RecordedEvent, Recorder};
use crate::shared::{EventChain, Mailbox};
use crate::sink::LogRecord;
use crate::span::{Span, slice};
use crate::vm_options::{VmOptions, WasiOptions};
use crate::work::Work;

/// The state of one VM on the host's side.
pub(crate) struct HostState {
    pub(crate) memory: Option<Memory>,
    /// In an `Arc`, because every value that the guest gets clones it, and a clone of the function
    /// itself takes locks.
    pub(crate) malloc: Option<Arc<TypedFunc<u32, u32>>>,
    pub(crate) abi: AbiVersion,
    pub(crate) host: Host,
    pub(crate) contexts: Contexts,
    pub(crate) limits: Limits,
    pub(crate) limiter: Limiter,
    /// The limits that the guest has met, of which the log has a line.
    limits_met: Vec<&'static str>,
    /// What the running hostcall has done, for its fuel.
    pub(crate) work: Work,
    pub(crate) profile: Profile,
    pub(crate) environment: Environment,
    pub(crate) random: Box<dyn RandomSource>,
    pub(crate) wasi: WasiOptions,
    pub(crate) clock: GuestClock,
    pub(crate) recorder: Option<Box<dyn Recorder>>,
    /// The hostcall that is being recorded.
    pub(crate) draft: Option<Box<Draft>>,
    pub(crate) metrics: MetricIds,
    pub(crate) callouts: Callouts,
    /// The callout's answer that is being delivered, and the slot of the plugin that gets it.
    pub(crate) delivery: Option<(u32, Delivery)>,
    pub(crate) callout_status: CalloutStatus,
    /// The buffer of `proxy_on_foreign_function` while it runs.
    pub(crate) foreign_arguments: Option<Bytes>,
    /// Lists the new items of this VM's queues.
    pub(crate) mailbox: Mailbox,
    /// What follows from the event that the guest was called for; none while nothing does.
    pub(crate) chain: Option<EventChain>,
}

impl HostState {
    pub(crate) fn new(abi: AbiVersion, host: Host, options: VmOptions) -> Self {
        let VmOptions { limits, environment, random, wasi, recorder, profile } = options;
        let clock = GuestClock::new(&*host.clock);
        Self {
            memory: None,
            malloc: None,
            abi,
            host,
            contexts: Contexts::default(),
            limiter: Limiter::new(&limits),
            limits,
            limits_met: Vec::new(),
            work: Work::default(),
            profile,
            environment,
            random: random.unwrap_or_else(|| Box::new(SystemRandom)),
            wasi,
            clock,
            recorder,
            draft: None,
            metrics: MetricIds::default(),
            callouts: Callouts::default(),
            delivery: None,
            callout_status: CalloutStatus::default(),
            foreign_arguments: None,
            mailbox: Mailbox::default(),
            chain: None,
        }
    }

    /// Removes a plugin, with the callouts that it waits for.
    pub(crate) fn remove_root(&mut self, slot: u32) {
        self.callouts.drop_root(slot);
        self.contexts.remove_root(slot);
    }

    /// The answer that is being delivered, if the context that hostcalls act on belongs to its
    /// plugin.
    pub(crate) fn delivery(&self) -> Option<&Delivery> {
        let root = self.contexts.root_slot()?;
        self.delivery.as_ref().filter(|(slot, _)| *slot == root).map(|(_, delivery)| delivery)
    }

    /// Opens a callout for the plugin that hostcalls act for; the number that the guest gets.
    pub(crate) fn start_callout(
        &mut self,
        kind: CalloutKind,
        request: CalloutRequest,
    ) -> Result<u32, Refused> {
        let slot = self.contexts.root_slot().ok_or(Status::BadArgument)?;
        let plugin = self.plugin_name().ok_or(Status::BadArgument)?;
        self.callouts.start(kind, slot, plugin, request, &self.limits)
    }

    /// Opens a callout that fails as soon as the callback has ended.
    pub(crate) fn refuse_callout(&mut self, kind: CalloutKind) {
        if let Some(slot) = self.contexts.root_slot() {
            self.callouts.refuse(kind, slot, &self.limits);
        }
    }

    /// Sends a further request on an open gRPC callout.
    pub(crate) fn continue_callout(
        &mut self,
        number: u32,
        request: CalloutRequest,
    ) -> Result<(), Refused> {
        let plugin = self.plugin_name().ok_or(Status::BadArgument)?;
        self.callouts.send_more(number, plugin, request, &self.limits)
    }

    fn plugin_name(&self) -> Option<Arc<str>> {
        self.contexts.root().map(|root| Arc::clone(&root.name))
    }

    /// Records an event on the context that hostcalls act on.
    pub(crate) fn record(&mut self, event: RecordedEvent) {
        if self.recorder.is_some() {
            let plugin = self.plugin_name().unwrap_or_else(|| Arc::from(""));
            let recorded = Recorded { plugin, context: self.contexts.id(), event };
            if let Some(recorder) = &mut self.recorder {
                recorder.record(recorded);
            }
        }
    }

    /// Records arguments and results of the running hostcall. The closure runs only while the VM
    /// records.
    #[inline]
    pub(crate) fn note(&mut self, write: impl FnOnce(&mut Draft) -> &mut Draft) {
        if let Some(draft) = &mut self.draft {
            write(draft);
        }
    }

    /// A part of guest memory that a hostcall reads.
    #[inline]
    pub(crate) fn read<'m>(&mut self, memory: &'m [u8], span: Span) -> Result<&'m [u8], Status> {
        let bytes = slice(memory, span)?;
        self.work.bytes(bytes.len());
        Ok(bytes)
    }

    /// A hostcall was refused by a limit. The report of a trap that follows names the limit, and
    /// the log does the first time.
    #[cold]
    pub(crate) fn deny(&mut self, limit: &'static str) {
        self.limiter.denied = Some(limit);
        if !self.limits_met.contains(&limit) {
            self.limits_met.push(limit);
            let text = format!("limit {limit}: hostcalls that need more answer InternalFailure");
            self.log(LogLevel::Warn, text.as_bytes());
        }
    }

    pub(crate) fn log(&self, level: LogLevel, message: &[u8]) {
        if level < self.host.log.level() {
            return;
        }
        let (plugin, root_id, vm_id) = self.contexts.root().map_or(("", "", ""), |root| {
            (root.config.name.as_str(), root.config.root_id.as_str(), root.config.vm_id.as_str())
        });
        let message = message.get(..self.limits.log_bytes).unwrap_or(message);
        let context = self.contexts.id();
        self.host.log.log(LogRecord { level, plugin, root_id, vm_id, context, message });
    }
}
