//! What a wasmtime store holds for one VM: the contexts, which of them a hostcall acts on, and the
//! way out to the host's sinks. The VM fills it before it enters the guest; the hostcalls read and
//! change it.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use wasmtime::{Memory, TypedFunc};

use crate::abi::{AbiVersion, LogLevel, Status};
use crate::callout::{CalloutKind, CalloutRequest, CalloutStatus, Callouts, Clusters, Delivery};
use crate::clock::{Clock, RandomSource, SystemClock, SystemRandom};
use crate::effect::{Draft, Effect, EffectEvent, Recorder};
use crate::foreign::ForeignFunctions;
use crate::limits::{Limiter, Limits};
use crate::metrics::{MetricIds, Metrics};
use crate::plugin::{Environment, Root};
use crate::profile::Profile;
use crate::shared::{Mailbox, Shared};
use crate::sink::{LogRecord, LogSink, NoLog};
use crate::stream::Stream;
use crate::vm::VmOptions;
use crate::wasi::Wasi;

/// What VMs share: where logs and metrics go, the time, shared data. Clones share all of it.
///
/// ```
/// use std::sync::Arc;
/// use gatepost_host::{Clock, Host, MemoryLog, VirtualClock};
///
/// let (log, clock) = (MemoryLog::default(), VirtualClock::at(1_700_000_000_000_000_000));
/// let host = Host { log: Arc::new(log.clone()), clock: Arc::new(clock.clone()), ..Host::default() };
/// // Give a clone to each VM or worker, and look at the rest from outside.
/// let same = host.clone();
/// clock.advance(std::time::Duration::from_secs(1));
/// assert_eq!(same.clock.monotonic_nanos(), 1_000_000_000);
/// ```
#[derive(Clone)]
pub struct Host {
    /// Takes the guests' log lines. Default [`NoLog`].
    pub log: Arc<dyn LogSink>,
    /// The metrics of all VMs.
    pub metrics: Metrics,
    /// The time. Default [`SystemClock`].
    pub clock: Arc<dyn Clock>,
    /// Data and queues that VMs share.
    pub shared: Shared,
    /// What guests may call by name beside the ABI. Default Envoy's.
    pub foreign: ForeignFunctions,
    /// Which clusters guests may call. Default any.
    pub clusters: Clusters,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            log: Arc::new(NoLog),
            metrics: Metrics::default(),
            clock: Arc::new(SystemClock::default()),
            shared: Shared::default(),
            foreign: ForeignFunctions::default(),
            clusters: Clusters::default(),
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}

/// The context that a hostcall acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// No context: the VM starts.
    Vm,
    Root(u32),
    Stream(u32),
}

pub(crate) struct HostState {
    pub(crate) memory: Option<Memory>,
    /// Shared, because every value given to the guest clones it, and a function's own clone takes
    /// locks.
    pub(crate) malloc: Option<Arc<TypedFunc<u32, u32>>>,
    pub(crate) abi: AbiVersion,
    pub(crate) host: Host,
    pub(crate) limits: Limits,
    pub(crate) limiter: Limiter,
    pub(crate) profile: Profile,
    pub(crate) environment: Environment,
    pub(crate) random: Box<dyn RandomSource>,
    pub(crate) wasi: Wasi,
    pub(crate) recorder: Option<Box<dyn Recorder>>,
    /// The hostcall that is being recorded.
    pub(crate) draft: Option<Box<Draft>>,
    pub(crate) metrics: MetricIds,
    pub(crate) roots: Vec<Root>,
    pub(crate) streams: Vec<Stream>,
    free_streams: Vec<u32>,
    places: HashMap<u32, Place>,
    next_context: u32,
    /// The numbers have begun again, so that one may be in use.
    contexts_wrapped: bool,
    /// The context that hostcalls act on: the one the host entered the guest with, unless the guest
    /// has chosen another with `proxy_set_effective_context`.
    pub(crate) effective: Place,
    /// The context that the host entered the guest with.
    pub(crate) entered: Place,
    /// Streams that the guest continued, closed or answered while the host had entered it with
    /// another context.
    pub(crate) touched: Vec<u32>,
    pub(crate) callouts: Callouts,
    /// The answer that is being delivered, and to which plugin's slot.
    pub(crate) delivery: Option<(u32, Delivery)>,
    pub(crate) callout_status: CalloutStatus,
    /// The buffer of `proxy_on_foreign_function` while it runs.
    pub(crate) foreign_arguments: Option<Bytes>,
    /// Where items of this VM's queues are announced.
    pub(crate) mailbox: Mailbox,
}

impl HostState {
    pub(crate) fn new(abi: AbiVersion, host: Host, options: VmOptions) -> Self {
        let VmOptions { limits, environment, random, wasi, recorder, profile } = options;
        let random = random.unwrap_or_else(|| Box::new(SystemRandom));
        Self {
            profile,
            memory: None,
            malloc: None,
            abi,
            host,
            limiter: Limiter::new(&limits),
            limits,
            environment,
            random,
            wasi: Wasi::new(wasi),
            recorder,
            draft: None,
            metrics: MetricIds::default(),
            roots: Vec::new(),
            streams: Vec::new(),
            free_streams: Vec::new(),
            places: HashMap::new(),
            next_context: 1,
            contexts_wrapped: false,
            effective: Place::Vm,
            entered: Place::Vm,
            touched: Vec::new(),
            callouts: Callouts::default(),
            delivery: None,
            callout_status: CalloutStatus::default(),
            foreign_arguments: None,
            mailbox: Mailbox::default(),
        }
    }

    /// The next context id that no living context has. Ids start at 1; 0 is the VM itself.
    fn allocate_context(&mut self) -> u32 {
        loop {
            let id = self.next_context;
            self.next_context = id.checked_add(1).unwrap_or_else(|| {
                self.contexts_wrapped = true;
                1
            });
            if !self.contexts_wrapped || !self.places.contains_key(&id) {
                return id;
            }
        }
    }

    pub(crate) fn add_root(&mut self, config: crate::plugin::PluginConfig) -> (u32, u32) {
        let context = self.allocate_context();
        let root = Root::new(context, config);
        let slot = match self.roots.iter().position(|root| root.context == 0) {
            Some(slot) => {
                self.roots[slot] = root;
                slot
            }
            None => {
                self.roots.push(root);
                self.roots.len() - 1
            }
        };
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        self.places.insert(context, Place::Root(slot));
        (slot, context)
    }

    pub(crate) fn remove_root(&mut self, slot: u32) {
        if let Some(root) = self.roots.get_mut(slot as usize) {
            self.places.remove(&root.context);
            self.callouts.drop_root(slot);
            *root = Root::new(0, crate::plugin::PluginConfig::default());
        }
    }

    #[inline]
    pub(crate) fn add_stream(&mut self, root: u32, info: crate::stream::Info) -> (u32, u32) {
        let context = self.allocate_context();
        let slot = self.free_streams.pop().unwrap_or_else(|| {
            self.streams.push(Stream::default());
            u32::try_from(self.streams.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(stream) = self.streams.get_mut(slot as usize) {
            stream.reset(context, root, info);
        }
        if let Some(root) = self.roots.get_mut(root as usize) {
            root.open_streams += 1;
        }
        self.places.insert(context, Place::Stream(slot));
        (slot, context)
    }

    pub(crate) fn remove_stream(&mut self, slot: u32) {
        if let Some(stream) = self.streams.get_mut(slot as usize) {
            self.places.remove(&stream.context);
            if let Some(root) = self.roots.get_mut(stream.root as usize) {
                root.open_streams = root.open_streams.saturating_sub(1);
            }
            stream.free();
            self.free_streams.push(slot);
        }
    }

    pub(crate) fn place(&self, context: u32) -> Option<Place> {
        self.places.get(&context).copied()
    }

    /// The stream that the guest was entered with.
    pub(crate) fn entered_stream(&self) -> Option<&Stream> {
        self.stream_at(self.entered)
    }

    fn stream_at(&self, place: Place) -> Option<&Stream> {
        match place {
            Place::Stream(slot) => self.streams.get(slot as usize),
            Place::Vm | Place::Root(_) => None,
        }
    }

    /// The plugin that the guest was entered for.
    pub(crate) fn entered_root(&self) -> Option<&Root> {
        self.roots.get(self.root_of(self.entered)? as usize)
    }

    pub(crate) fn entered_root_mut(&mut self) -> Option<&mut Root> {
        let slot = self.root_of(self.entered)?;
        self.roots.get_mut(slot as usize)
    }

    /// The stream that hostcalls act on.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.stream_at(self.effective)
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        match self.effective {
            Place::Stream(slot) => self.streams.get_mut(slot as usize),
            Place::Vm | Place::Root(_) => None,
        }
    }

    /// The stream that hostcalls act on, to be continued, closed or answered: the driver is told
    /// when it would not look there by itself.
    pub(crate) fn touch(&mut self) -> Option<&mut Stream> {
        let Place::Stream(slot) = self.effective else { return None };
        if self.effective != self.entered && !self.touched.contains(&slot) {
            self.touched.push(slot);
        }
        self.stream_mut()
    }

    /// The answer that is being delivered, if the context that hostcalls act on belongs to its
    /// plugin.
    pub(crate) fn delivery(&self) -> Option<&Delivery> {
        let root = self.root_slot()?;
        self.delivery.as_ref().filter(|(slot, _)| *slot == root).map(|(_, delivery)| delivery)
    }

    pub(crate) fn start_callout(
        &mut self,
        kind: CalloutKind,
        request: CalloutRequest,
    ) -> Result<u32, Status> {
        let slot = self.root_slot().ok_or(Status::BadArgument)?;
        let plugin = self.root().map(|root| Arc::clone(&root.name)).ok_or(Status::BadArgument)?;
        self.callouts.start(kind, slot, plugin, request, &self.limits)
    }

    pub(crate) fn refuse_callout(&mut self, kind: CalloutKind) {
        if let Some(slot) = self.root_slot() {
            self.callouts.refuse(kind, slot, &self.limits);
        }
    }

    pub(crate) fn go_on_callout(
        &mut self,
        number: u32,
        request: CalloutRequest,
    ) -> Result<(), Status> {
        let plugin = self.root().map(|root| Arc::clone(&root.name)).ok_or(Status::BadArgument)?;
        self.callouts.go_on(number, plugin, request, &self.limits)
    }

    pub(crate) fn root_slot(&self) -> Option<u32> {
        self.root_of(self.effective)
    }

    fn root_of(&self, place: Place) -> Option<u32> {
        match place {
            Place::Stream(slot) => self.streams.get(slot as usize).map(|stream| stream.root),
            Place::Root(slot) => Some(slot),
            Place::Vm => None,
        }
    }

    /// The plugin that hostcalls act for.
    pub(crate) fn root(&self) -> Option<&Root> {
        self.roots.get(self.root_slot()? as usize)
    }

    pub(crate) fn root_mut(&mut self) -> Option<&mut Root> {
        let slot = self.root_slot()?;
        self.roots.get_mut(slot as usize)
    }

    /// The id of the context that hostcalls act on.
    pub(crate) fn context(&self) -> u32 {
        match self.effective {
            Place::Vm => 0,
            Place::Root(slot) => self.roots.get(slot as usize).map_or(0, |root| root.context),
            Place::Stream(slot) => {
                self.streams.get(slot as usize).map_or(0, |stream| stream.context)
            }
        }
    }

    /// Records an effect on the context that hostcalls act on.
    pub(crate) fn record(&mut self, event: EffectEvent) {
        if self.recorder.is_some() {
            let plugin = self.root().map_or_else(|| Arc::from(""), |root| Arc::clone(&root.name));
            let effect = Effect { plugin, context: self.context(), event };
            if let Some(recorder) = &mut self.recorder {
                recorder.record(effect);
            }
        }
    }

    /// Notes arguments and results of the hostcall that runs; they are made only when somebody
    /// records.
    #[inline]
    pub(crate) fn note(&mut self, write: impl FnOnce(&mut Draft) -> &mut Draft) {
        if let Some(draft) = &mut self.draft {
            write(draft);
        }
    }

    pub(crate) fn log(&self, level: LogLevel, message: &[u8]) {
        if level < self.host.log.level() {
            return;
        }
        let (plugin, root_id, vm_id) = self.root().map_or(("", "", ""), |root| {
            (root.config.name.as_str(), root.config.root_id.as_str(), root.config.vm_id.as_str())
        });
        let message = message.get(..self.limits.log_bytes).unwrap_or(message);
        self.host.log.log(LogRecord {
            level,
            plugin,
            root_id,
            vm_id,
            context: self.context(),
            message,
        });
    }
}
