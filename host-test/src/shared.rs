//! Data and queues that VMs share. As in Envoy, both belong to a configured VM id, so that the VMs
//! of all workers share them; a VM can find another VM's queue by that id.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use hashbrown::HashMap;

use crate::abi::Status;

/// Limits on what all guests together can keep. Beyond them a hostcall answers `InternalFailure`.
///
/// ```
/// use gatepost_host::{Host, Shared, SharedLimits};
///
/// let limits = SharedLimits { data_bytes: 1 << 20, ..SharedLimits::default() };
/// let host = Host { shared: Shared::new(limits), ..Host::default() };
/// # assert_eq!(limits.queues, 4096);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedLimits {
    /// Bytes of keys and values in shared data. Default 64 MiB.
    pub data_bytes: usize,
    /// Bytes of the items in all queues. Default 64 MiB.
    pub queue_bytes: usize,
    /// The number of queues. Default 4,096.
    pub queues: usize,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self { data_bytes: 64 << 20, queue_bytes: 64 << 20, queues: 4096 }
    }
}

/// The new items of a VM's queues: the root context to call and the queue's token for each. It is
/// bounded, because only the driver of the VM empties it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mailbox {
    announced: Arc<Mutex<Announced>>,
}

#[derive(Debug, Default)]
struct Announced {
    items: Vec<(u32, u32)>,
    /// Wakes the driver of the VM: it may wait while another VM fills the queues.
    waker: Option<Waker>,
}

impl Mailbox {
    const MAX_ITEMS: usize = 65_536;

    pub(crate) fn take(&self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.lock().items)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    pub(crate) fn wake_by(&self, waker: Waker) {
        self.lock().waker = Some(waker);
    }

    fn announce(&self, context: u32, token: u32) {
        let mut announced = self.lock();
        if announced.items.len() < Self::MAX_ITEMS {
            announced.items.push((context, token));
        }
        if let Some(waker) = &announced.waker {
            waker.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Announced> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Queue {
    items: VecDeque<Bytes>,
    /// Where new items are announced: the VM and root context that registered last, as in Envoy.
    mailbox: Mailbox,
    root: u32,
}

/// Shared data and shared queues. Clones share them.
///
/// ```
/// use gatepost_host::{Headers, Host, PluginConfig, StreamInfo, Vm, VmOptions};
/// # use gatepost_host_fixtures::*;
/// # let module = module("share");
///
/// // Two VMs, as on two workers. This guest keeps the path of a request in shared data, and
/// // adds it to the next request.
/// let host = Host::default();
/// let config = PluginConfig { vm_id: "paths".into(), ..PluginConfig::default() };
/// let mut seen = Vec::new();
/// for path in ["/first", "/second"] {
///     let mut vm = Vm::new(&module, host.clone(), VmOptions::default())?;
///     let plugin = vm.start_plugin(config.clone())?;
///     let stream = vm.stream(plugin, StreamInfo::default())?;
///     let mut headers = Headers::request([(":path", path)]);
///     let _ = vm.request_headers(stream, &mut headers, true)?;
///     seen.push(headers.get("x-before").map(<[u8]>::to_vec));
/// }
/// assert_eq!(seen, [None, Some(b"/first".to_vec())]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Shared {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    limits: SharedLimits,
    data: HashMap<(Bytes, Bytes), (Bytes, u32)>,
    data_bytes: usize,
    last_cas: u32,
    tokens: HashMap<(Bytes, Bytes), u32>,
    queues: Vec<Queue>,
    queue_bytes: usize,
}

impl Shared {
    /// Empty data and queues with these limits.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let shared = Shared::new(SharedLimits { queues: 16, ..SharedLimits::default() });
    /// assert_eq!(shared.get(&"vm".into(), &"key".into()), None);
    /// ```
    #[must_use]
    pub fn new(limits: SharedLimits) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { limits, ..Inner::default() })) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value of shared data, with its number for compare-and-swap. The first argument is the
    /// [`vm_id`](crate::PluginConfig) of the plugin that set it.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let module = module("share");
    /// # let host = Host::default();
    /// # let mut vm = Vm::new(&module, host.clone(), VmOptions::default())?;
    /// # let config = PluginConfig { vm_id: "paths".into(), ..PluginConfig::default() };
    /// # let plugin = vm.start_plugin(config)?;
    /// # let stream = vm.stream(plugin, StreamInfo::default())?;
    /// # let mut headers = request();
    /// // This guest keeps the request's path under the key `paths`.
    /// let _ = vm.request_headers(stream, &mut headers, true)?;
    /// let (path, _) = host.shared.get(&"paths".into(), &"paths".into()).unwrap();
    /// assert_eq!(path, "/");
    /// assert_eq!(host.shared.get(&"another VM".into(), &"paths".into()), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get(&self, vm_id: &Bytes, key: &Bytes) -> Option<(Bytes, u32)> {
        self.lock().data.get(&(vm_id.clone(), key.clone())).cloned()
    }

    pub(crate) fn set(
        &self,
        vm_id: Bytes,
        key: Bytes,
        value: Bytes,
        cas: u32,
    ) -> Result<(), Status> {
        let mut inner = self.lock();
        let id = (vm_id, key);
        let old = inner.data.get(&id);
        // As in Envoy: a CAS of 0 writes always, and a missing key accepts any CAS.
        if old.is_some_and(|(_, current)| cas != 0 && cas != *current) {
            return Err(Status::CasMismatch);
        }
        let freed = old.map_or(0, |(value, _)| value.len());
        let added = value.len() + if old.is_some() { 0 } else { id.1.len() };
        let bytes = inner.data_bytes - freed + added;
        if bytes > inner.limits.data_bytes {
            return Err(Status::InternalFailure);
        }
        inner.data_bytes = bytes;
        inner.last_cas = inner.last_cas.wrapping_add(1).max(1);
        let cas = inner.last_cas;
        inner.data.insert(id, (value, cas));
        Ok(())
    }

    pub(crate) fn register_queue(
        &self,
        vm_id: Bytes,
        name: Bytes,
        mailbox: Mailbox,
        root: u32,
    ) -> Result<u32, Status> {
        let mut inner = self.lock();
        if let Some(token) = inner.tokens.get(&(vm_id.clone(), name.clone())).copied() {
            let queue = inner.queue(token)?;
            (queue.mailbox, queue.root) = (mailbox, root);
            return Ok(token);
        }
        if inner.queues.len() >= inner.limits.queues {
            return Err(Status::InternalFailure);
        }
        inner.queues.push(Queue { items: VecDeque::new(), mailbox, root });
        let token = u32::try_from(inner.queues.len()).map_err(|_| Status::InternalFailure)?;
        inner.tokens.insert((vm_id, name), token);
        Ok(token)
    }

    pub(crate) fn resolve_queue(&self, vm_id: Bytes, name: Bytes) -> Result<u32, Status> {
        self.lock().tokens.get(&(vm_id, name)).copied().ok_or(Status::NotFound)
    }

    pub(crate) fn enqueue(&self, token: u32, item: Bytes) -> Result<(), Status> {
        let mut inner = self.lock();
        let bytes = inner.queue_bytes + item.len();
        let full = bytes > inner.limits.queue_bytes;
        let queue = inner.queue(token)?;
        if full {
            return Err(Status::InternalFailure);
        }
        queue.items.push_back(item);
        queue.mailbox.announce(queue.root, token);
        inner.queue_bytes = bytes;
        Ok(())
    }

    pub(crate) fn dequeue(&self, token: u32) -> Result<Bytes, Status> {
        let mut inner = self.lock();
        let item = inner.queue(token)?.items.pop_front().ok_or(Status::Empty)?;
        inner.queue_bytes -= item.len();
        Ok(item)
    }
}

impl Inner {
    fn queue(&mut self, token: u32) -> Result<&mut Queue, Status> {
        let index = token
            .checked_sub(1)
            .and_then(|index| usize::try_from(index).ok())
            .ok_or(Status::NotFound)?;
        self.queues.get_mut(index).ok_or(Status::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn b(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn a_stale_compare_and_swap_is_refused() {
        let shared = Shared::default();
        shared.set(b("vm"), b("k"), b("one"), 0).unwrap();
        let (_, cas) = shared.get(&b("vm"), &b("k")).unwrap();
        shared.set(b("vm"), b("k"), b("two"), cas).unwrap();
        assert_eq!(shared.set(b("vm"), b("k"), b("three"), cas), Err(Status::CasMismatch));
        assert_eq!(shared.get(&b("vm"), &b("k")).unwrap().0, "two");
        assert_eq!(shared.get(&b("other"), &b("k")), None);
    }

    #[test]
    fn a_queue_gives_back_what_was_put_in_first() {
        let shared = Shared::default();
        let token = shared.register_queue(b("vm"), b("q"), Mailbox::default(), 1).unwrap();
        assert_eq!(shared.register_queue(b("vm"), b("q"), Mailbox::default(), 1), Ok(token));
        assert_eq!(shared.resolve_queue(b("vm"), b("q")), Ok(token));
        assert_eq!(shared.resolve_queue(b("vm"), b("none")), Err(Status::NotFound));
        shared.enqueue(token, b("1")).unwrap();
        shared.enqueue(token, b("2")).unwrap();
        assert_eq!(shared.dequeue(token).unwrap(), "1");
        assert_eq!(shared.dequeue(token).unwrap(), "2");
        assert_eq!(shared.dequeue(token), Err(Status::Empty));
        assert_eq!(shared.dequeue(token + 1), Err(Status::NotFound));
        assert_eq!(shared.dequeue(0), Err(Status::NotFound));
    }

    #[test]
    fn guests_cannot_fill_the_host_through_shared_data_or_queues() {
        let shared = Shared::new(SharedLimits { data_bytes: 4, queue_bytes: 2, queues: 1 });
        shared.set(b("vm"), b("k"), b("123"), 0).unwrap();
        assert_eq!(shared.set(b("vm"), b("k"), b("1234"), 0), Err(Status::InternalFailure));
        let token = shared.register_queue(b("vm"), b("q"), Mailbox::default(), 1).unwrap();
        assert_eq!(
            shared.register_queue(b("vm"), b("r"), Mailbox::default(), 1),
            Err(Status::InternalFailure)
        );
        shared.enqueue(token, b("12")).unwrap();
        assert_eq!(shared.enqueue(token, b("3")), Err(Status::InternalFailure));
    }
}
