//! The VMs of a worker: started for the plugins of its chain, shared where Envoy shares them, built
//! anew after a trap when the plugin wants that.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use super::WorkerOptions;
use super::reply::Reply;
use crate::chain::Chain;
use crate::clock::{RandomSource, SeededRandom};
use crate::effect::{Effect, Recorder};
use crate::error::{CallError, StartError};
use crate::plugin::{FailPolicy, Plugin};
use crate::state::Host;
use crate::vm::{Vm, VmOptions};

/// What VMs have recorded since the worker last looked, with the number of the VM.
type Tape = Arc<Mutex<Vec<(usize, Effect)>>>;

struct TapeRecorder {
    vm: usize,
    tape: Tape,
}

impl Recorder for TapeRecorder {
    fn record(&mut self, effect: Effect) {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner).push((self.vm, effect));
    }
}

/// One VM and the plugins in it, by their place in the chain.
pub(super) struct GuestVm {
    pub(super) vm: Vm,
    /// How often it has been built; a stream of an earlier build is gone.
    pub(super) generation: u32,
    /// When it was built, on the host's monotonic clock.
    built_at: u64,
    members: Vec<usize>,
}

/// A plugin of the chain in its VM.
pub(super) struct Resident {
    pub(super) vm: usize,
    pub(super) plugin: Plugin,
    pub(super) name: Arc<str>,
    policy: FailPolicy,
}

/// What a stream finds at a plugin's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Run,
    Skip,
    Fail,
}

pub(super) struct Guests {
    pub(super) chain: Chain,
    pub(super) host: Host,
    pub(super) vms: Vec<GuestVm>,
    pub(super) residents: Vec<Resident>,
    /// Traps that nobody has asked for yet.
    pub(super) errors: Vec<CallError>,
    /// Whether a VM has trapped whose waiting streams have not been failed yet.
    pub(super) has_fresh_trap: bool,
    seed: Option<u64>,
    tape: Option<Tape>,
    waker: Option<Waker>,
}

/// Traps are kept until they are asked for, but no more than these.
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
            residents: Vec::new(),
            errors: Vec::new(),
            has_fresh_trap: false,
            seed: options.seed,
            tape: options.record.then(Tape::default),
            waker: None,
        };
        for (place, plugin) in chain.plugins().iter().enumerate() {
            let shared =
                chain.plugins()[..place].iter().position(|earlier| earlier.shares_vm(plugin));
            let vm = match shared.and_then(|earlier| guests.residents.get(earlier)) {
                Some(earlier) => earlier.vm,
                None => {
                    let number = guests.vms.len();
                    let vm = guests.new_vm(number, place)?;
                    guests.vms.push(GuestVm {
                        vm,
                        generation: 0,
                        built_at: guests.host.clock.monotonic_nanos(),
                        members: Vec::new(),
                    });
                    number
                }
            };
            guests.vms[vm].members.push(place);
            let handle = guests.vms[vm].vm.start_plugin(plugin.config.clone())?;
            let (name, policy) =
                (Arc::from(plugin.config.name.as_str()), plugin.config.fail_policy);
            guests.residents.push(Resident { vm, plugin: handle, name, policy });
        }
        Ok(guests)
    }

    fn new_vm(&self, number: usize, place: usize) -> Result<Vm, StartError> {
        let options = self.chain.options();
        let seeded = |seed: u64| {
            Box::new(SeededRandom::new(seed.wrapping_add(number as u64))) as Box<dyn RandomSource>
        };
        let recorder = self
            .tape
            .clone()
            .map(|tape| Box::new(TapeRecorder { vm: number, tape }) as Box<dyn Recorder>);
        let options = VmOptions {
            limits: options.limits.clone(),
            environment: options.environment.clone(),
            random: self.seed.map(seeded),
            recorder,
            profile: options.profile,
            ..VmOptions::default()
        };
        let mut vm = Vm::new(&self.chain.plugins()[place].module, self.host.clone(), options)?;
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

    /// Before a new exchange, the VMs are built anew that have trapped, whose plugins want it, and
    /// whose back-off is over.
    pub(super) fn reload(&mut self) {
        for number in 0..self.vms.len() {
            let is_wanted = |place: &usize| self.residents[*place].policy == FailPolicy::Reload;
            let guest = &self.vms[number];
            if guest.vm.trap().is_some() && guest.members.iter().any(is_wanted) {
                self.rebuild(number);
            }
        }
    }

    /// What a stream finds at this place.
    pub(super) fn entry(&self, place: usize) -> Entry {
        let Some(resident) = self.residents.get(place) else { return Entry::Skip };
        match resident.policy {
            _ if self.vms[resident.vm].vm.trap().is_none() => Entry::Run,
            FailPolicy::Open => Entry::Skip,
            FailPolicy::Closed | FailPolicy::Reload => Entry::Fail,
        }
    }

    fn rebuild(&mut self, number: usize) {
        let now = self.host.clock.monotonic_nanos();
        let backoff =
            u64::try_from(self.chain.options().reload_backoff.as_nanos()).unwrap_or(u64::MAX);
        if now < self.vms[number].built_at.saturating_add(backoff) {
            return;
        }
        match self.built(number) {
            Ok((vm, handles)) => {
                let guest = &mut self.vms[number];
                let members = guest.members.clone();
                *guest = GuestVm {
                    vm,
                    generation: guest.generation.wrapping_add(1),
                    built_at: now,
                    members: members.clone(),
                };
                for (place, handle) in members.into_iter().zip(handles) {
                    self.residents[place].plugin = handle;
                }
            }
            Err(error) => {
                self.vms[number].built_at = now;
                if let StartError::Call(error) = error {
                    self.note(error);
                }
            }
        }
    }

    fn built(&self, number: usize) -> Result<(Vm, Vec<Plugin>), StartError> {
        let members = &self.vms[number].members;
        let mut vm = self.new_vm(number, members.first().copied().unwrap_or_default())?;
        let configs = members.iter().map(|place| self.chain.plugins()[*place].config.clone());
        let handles = configs.map(|config| vm.start_plugin(config)).collect::<Result<_, _>>()?;
        Ok((vm, handles))
    }

    /// What a client gets because of a plugin whose VM has trapped.
    pub(super) fn failed(&self, place: usize) -> Reply {
        Reply::failed_plugin(self.residents.get(place).map(|resident| Arc::clone(&resident.name)))
    }

    /// Whether streams go on without this plugin when its VM has trapped.
    pub(super) fn is_open(&self, place: usize) -> bool {
        self.residents.get(place).is_some_and(|resident| resident.policy == FailPolicy::Open)
    }

    /// Takes note of a call into a VM that failed.
    pub(super) fn caught(&mut self, error: CallError) {
        if matches!(error, CallError::Trapped(_)) {
            self.has_fresh_trap = true;
            self.note(error);
        }
    }

    fn note(&mut self, error: CallError) {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(error);
        }
    }

    /// What has been recorded since the last question.
    pub(super) fn recorded(&mut self) -> Vec<(usize, Effect)> {
        let Some(tape) = &self.tape else { return Vec::new() };
        std::mem::take(&mut *tape.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn is_recording(&self) -> bool {
        self.tape.is_some()
    }
}
