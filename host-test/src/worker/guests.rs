//! The VMs of a worker, with the plugins of its chain in them. Plugins share a VM where they do in
//! Envoy, and a VM is rebuilt after a trap if a plugin's policy is to reload.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use super::options::WorkerOptions;
use super::reply::Reply;
use crate::chain::Chain;
use crate::clock::{RandomSource, SeededRandom};
use crate::error::{CallError, StartError};
use crate::host::Host;
use crate::plugin::{FailPolicy, Plugin};
use crate::recording::{EventList, Recorded, Recorder};
use crate::vm::Vm;
use crate::vm_options::VmOptions;

/// The events that VMs have recorded and the worker has not taken yet, each with its VM's number.
type SharedEvents = Arc<Mutex<EventList>>;

/// The recorder of one VM.
struct VmRecorder {
    vm: usize,
    events: SharedEvents,
}

impl Recorder for VmRecorder {
    fn record(&mut self, recorded: Recorded) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(self.vm, recorded);
    }
}

/// One VM and its plugins.
pub(super) struct GuestVm {
    pub(super) vm: Vm,
    /// How often the VM was rebuilt. Streams of an earlier generation are lost.
    pub(super) generation: u32,
    /// When the VM was built, on the host's monotonic clock.
    built_at: u64,
    /// Its plugins, by their index in the chain.
    members: Vec<usize>,
}

/// A plugin of the chain, started in a VM.
pub(super) struct PluginInstance {
    pub(super) vm: usize,
    pub(super) plugin: Plugin,
    pub(super) name: Arc<str>,
    policy: FailPolicy,
}

/// What a stream does at a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    /// It runs the plugin.
    Run,
    /// It continues without the plugin, whose VM has trapped.
    Skip,
    /// It fails: the plugin's VM has trapped.
    Fail,
}

/// The chain's plugins, started in their VMs.
pub(super) struct Guests {
    pub(super) chain: Chain,
    pub(super) host: Host,
    pub(super) vms: Vec<GuestVm>,
    pub(super) plugins: Vec<PluginInstance>,
    /// Traps that were not taken yet.
    pub(super) errors: Vec<CallError>,
    /// Whether a VM has trapped whose paused streams were not failed yet.
    pub(super) has_fresh_trap: bool,
    seed: Option<u64>,
    /// None unless the worker records.
    recorded: Option<SharedEvents>,
    waker: Option<Waker>,
}

/// The most traps that are kept.
const MOST_ERRORS: usize = 1024;

impl Guests {
    pub(super) fn start(
        chain: &Chain,
        host: Host,
        options: &WorkerOptions,
    ) -> Result<Self, StartError> {
        let mut guests = Self {
            chain: chain.clone(),
            host,
            vms: Vec::new(),
            plugins: Vec::new(),
            errors: Vec::new(),
            has_fresh_trap: false,
            seed: options.seed,
            recorded: options
                .record
                .then(|| Arc::new(Mutex::new(EventList::new(options.recorded_bytes)))),
            waker: None,
        };
        for (index, plugin) in chain.plugins().iter().enumerate() {
            let shared =
                chain.plugins()[..index].iter().position(|earlier| earlier.shares_vm(plugin));
            let vm = match shared.and_then(|earlier| guests.plugins.get(earlier)) {
                Some(earlier) => earlier.vm,
                None => {
                    let number = guests.vms.len();
                    let vm = guests.new_vm(number, index)?;
                    guests.vms.push(GuestVm {
                        vm,
                        generation: 0,
                        built_at: guests.host.clock.monotonic_nanos(),
                        members: Vec::new(),
                    });
                    number
                }
            };
            guests.vms[vm].members.push(index);
            let handle = guests.vms[vm].vm.start_plugin(plugin.config.clone())?;
            let (name, policy) =
                (Arc::from(plugin.config.name.as_str()), plugin.config.fail_policy);
            guests.plugins.push(PluginInstance { vm, plugin: handle, name, policy });
        }
        Ok(guests)
    }

    fn new_vm(&self, number: usize, index: usize) -> Result<Vm, StartError> {
        let options = self.chain.options();
        let seeded = |seed: u64| {
            Box::new(SeededRandom::new(seed.wrapping_add(number as u64))) as Box<dyn RandomSource>
        };
        let recorder = self
            .recorded
            .clone()
            .map(|events| Box::new(VmRecorder { vm: number, events }) as Box<dyn Recorder>);
        let options = VmOptions {
            limits: options.limits.clone(),
            environment: options.environment.clone(),
            random: self.seed.map(seeded),
            recorder,
            profile: options.profile,
            ..VmOptions::default()
        };
        let mut vm = Vm::new(&self.chain.plugins()[index].module, self.host.clone(), options)?;
        if let Some(waker) = &self.waker {
            vm.wake_on_queue_items(waker.clone());
        }
        Ok(vm)
    }

    pub(super) fn wake_on_queue_items(&mut self, waker: Waker) {
        for guest in &mut self.vms {
            guest.vm.wake_on_queue_items(waker.clone());
        }
        self.waker = Some(waker);
    }

    /// Rebuilds the VMs that have trapped, have a plugin with the policy to reload, and whose
    /// back-off is over.
    pub(super) fn reload(&mut self) {
        for number in 0..self.vms.len() {
            let reloads = |index: &usize| self.plugins[*index].policy == FailPolicy::Reload;
            let guest = &self.vms[number];
            if guest.vm.trap().is_some() && guest.members.iter().any(reloads) {
                self.rebuild(number);
            }
        }
    }

    /// What a stream does at the plugin with this index.
    pub(super) fn availability(&self, index: usize) -> Availability {
        let Some(plugin) = self.plugins.get(index) else { return Availability::Skip };
        match plugin.policy {
            _ if self.vms[plugin.vm].vm.trap().is_none() => Availability::Run,
            FailPolicy::Open => Availability::Skip,
            FailPolicy::Closed | FailPolicy::Reload => Availability::Fail,
        }
    }

    fn rebuild(&mut self, number: usize) {
        let now = self.host.clock.monotonic_nanos();
        let backoff =
            u64::try_from(self.chain.options().reload_backoff.as_nanos()).unwrap_or(u64::MAX);
        if now < self.vms[number].built_at.saturating_add(backoff) {
            return;
        }
        match self.build_again(number) {
            Ok((vm, handles)) => {
                let guest = &mut self.vms[number];
                let members = guest.members.clone();
                *guest = GuestVm {
                    vm,
                    generation: guest.generation.wrapping_add(1),
                    built_at: now,
                    members: members.clone(),
                };
                for (index, handle) in members.into_iter().zip(handles) {
                    self.plugins[index].plugin = handle;
                }
            }
            Err(error) => {
                self.vms[number].built_at = now;
                if let StartError::Call(error) = error {
                    self.keep(error);
                }
            }
        }
    }

    fn build_again(&self, number: usize) -> Result<(Vm, Vec<Plugin>), StartError> {
        let members = &self.vms[number].members;
        let mut vm = self.new_vm(number, members.first().copied().unwrap_or_default())?;
        let configs = members.iter().map(|index| self.chain.plugins()[*index].config.clone());
        let handles = configs.map(|config| vm.start_plugin(config)).collect::<Result<_, _>>()?;
        Ok((vm, handles))
    }

    /// What a client gets when a stream fails at this plugin.
    pub(super) fn failure_reply(&self, index: usize) -> Reply {
        Reply::failed_plugin(self.plugins.get(index).map(|plugin| Arc::clone(&plugin.name)))
    }

    /// Whether streams continue without this plugin when its VM has trapped.
    pub(super) fn fails_open(&self, index: usize) -> bool {
        self.plugins.get(index).is_some_and(|plugin| plugin.policy == FailPolicy::Open)
    }

    /// Keeps the error of a call into a VM, if it is a new trap.
    pub(super) fn note_failure(&mut self, error: CallError) {
        if matches!(error, CallError::Trapped(_)) {
            self.has_fresh_trap = true;
            self.keep(error);
        }
    }

    fn keep(&mut self, error: CallError) {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(error);
        }
    }

    /// Takes the recorded events.
    pub(super) fn take_recorded(&mut self) -> Vec<(usize, Recorded)> {
        let Some(recorded) = &self.recorded else { return Vec::new() };
        recorded.lock().unwrap_or_else(PoisonError::into_inner).hand_over()
    }

    /// What the caller has taken of the recording makes room for more.
    pub(super) fn forget_recorded<'a>(&self, taken: impl IntoIterator<Item = &'a Recorded>) {
        if let Some(recorded) = &self.recorded {
            recorded.lock().unwrap_or_else(PoisonError::into_inner).forget(taken);
        }
    }

    pub(super) fn is_recording(&self) -> bool {
        self.recorded.is_some()
    }
}
