//! Data and queues that VMs share. As in Envoy, both belong to a configured VM id, so that the VMs
//! of all workers share them; a VM can find another VM's queue by that id.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use hashbrown::HashMap;

use crate::abi::Status;
use crate::limits::Refused;

/// Limits on what the guests of one VM id can keep, so that those of another can go on. Beyond them
/// a hostcall answers `InternalFailure`. They bound what the process takes: each item counts
/// [`ITEM_BYTES`](Self::ITEM_BYTES) beside its own bytes.
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
    /// Bytes of the keys and values in shared data. Default 64 MiB.
    pub data_bytes: usize,
    /// Bytes of the names of queues and of the items in them. Default 64 MiB.
    pub queue_bytes: usize,
    /// The number of queues. Default 4,096.
    pub queues: usize,
}

impl SharedLimits {
    /// What a key, an item or a queue counts beside its own bytes: its place in a table or list
    /// that has grown to twice its use, and its allocations.
    pub const ITEM_BYTES: usize = 256;
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self { data_bytes: 64 << 20, queue_bytes: 64 << 20, queues: 4096 }
    }
}

/// The events that follow from one event of the proxy: a guest that is called for an item of a
/// queue puts items into queues. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventChain {
    count: Arc<AtomicUsize>,
    /// Whether the guest was called for an item, and not for an event of the proxy.
    follows: bool,
}

impl EventChain {
    /// The chain of an event that this one has caused.
    pub(crate) fn next(&self) -> Self {
        Self { count: Arc::clone(&self.count), follows: true }
    }

    /// Counts an event, if it follows from another one; how many there are now.
    pub(crate) fn count(&self) -> usize {
        if self.follows { self.count.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 }
    }
}

/// An item was put into a queue.
#[derive(Debug)]
pub(crate) struct Announcement {
    /// The root context to call, and the queue's token.
    pub(crate) context: u32,
    pub(crate) token: u32,
    pub(crate) chain: EventChain,
}

/// The new items of a VM's queues. It is bounded, because only the driver of the VM empties it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mailbox {
    announced: Arc<Mutex<Announced>>,
}

#[derive(Debug, Default)]
struct Announced {
    items: Vec<Announcement>,
    /// Wakes the driver of the VM: it may wait while another VM fills the queues.
    waker: Option<Waker>,
}

impl Mailbox {
    const MAX_ITEMS: usize = 65_536;

    pub(crate) fn take(&self) -> Vec<Announcement> {
        std::mem::take(&mut self.lock().items)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    pub(crate) fn wake_by(&self, waker: Waker) {
        self.lock().waker = Some(waker);
    }

    fn announce(&self, announcement: Announcement) {
        let mut announced = self.lock();
        if announced.items.len() < Self::MAX_ITEMS {
            announced.items.push(announcement);
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
    /// The VM id whose limit the items count for.
    vm_id: Bytes,
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
    vms: HashMap<Bytes, Kept>,
    last_cas: u32,
    queues: Vec<Queue>,
}

/// What the guests of one VM id keep.
#[derive(Debug, Default)]
struct Kept {
    data: HashMap<Bytes, (Bytes, u32)>,
    data_bytes: usize,
    /// The queues by their names.
    tokens: HashMap<Bytes, u32>,
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
        self.lock().vms.get(vm_id)?.data.get(key).cloned()
    }

    /// Writes a value, if `cas` is 0 or the number of the present value.
    pub(crate) fn set(
        &self,
        vm_id: Bytes,
        key: Bytes,
        value: Bytes,
        cas: u32,
    ) -> Result<(), Refused> {
        let Inner { limits, vms, last_cas, .. } = &mut *self.lock();
        let kept = vms.entry(vm_id).or_default();
        let old = kept.data.get(&key);
        // As in Envoy: a CAS of 0 writes always, and a missing key accepts any CAS.
        if old.is_some_and(|(_, current)| cas != 0 && cas != *current) {
            return Err(Status::CasMismatch.into());
        }
        let freed = old.map_or(0, |(value, _)| value.len());
        let added =
            value.len() + if old.is_some() { 0 } else { key.len() + SharedLimits::ITEM_BYTES };
        let bytes = kept.data_bytes - freed + added;
        if bytes > limits.data_bytes {
            return Err(Refused::Limit("data_bytes"));
        }
        kept.data_bytes = bytes;
        *last_cas = last_cas.wrapping_add(1).max(1);
        kept.data.insert(key, (value, *last_cas));
        Ok(())
    }

    /// The token of a queue, which is made if there is none of this name. From now on its new items
    /// are announced to this VM.
    pub(crate) fn register_queue(
        &self,
        vm_id: Bytes,
        name: Bytes,
        mailbox: Mailbox,
        root: u32,
    ) -> Result<u32, Refused> {
        let Inner { limits, vms, queues, .. } = &mut *self.lock();
        let kept = vms.entry(vm_id.clone()).or_default();
        if let Some(token) = kept.tokens.get(&name).copied() {
            let queue = queue(queues, token)?;
            (queue.mailbox, queue.root) = (mailbox, root);
            return Ok(token);
        }
        if kept.tokens.len() >= limits.queues {
            return Err(Refused::Limit("queues"));
        }
        let bytes = kept.queue_bytes + name.len() + SharedLimits::ITEM_BYTES;
        if bytes > limits.queue_bytes {
            return Err(Refused::Limit("queue_bytes"));
        }
        let token = u32::try_from(queues.len() + 1).map_err(|_| Status::InternalFailure)?;
        kept.queue_bytes = bytes;
        queues.push(Queue { vm_id, items: VecDeque::new(), mailbox, root });
        kept.tokens.insert(name, token);
        Ok(token)
    }

    pub(crate) fn resolve_queue(&self, vm_id: &Bytes, name: &Bytes) -> Result<u32, Status> {
        let inner = self.lock();
        let token = inner.vms.get(vm_id).and_then(|kept| kept.tokens.get(name));
        token.copied().ok_or(Status::NotFound)
    }

    /// Puts an item at the end of a queue and announces it, as what the event with this chain has
    /// caused.
    pub(crate) fn enqueue(
        &self,
        token: u32,
        item: Bytes,
        chain: &EventChain,
    ) -> Result<(), Refused> {
        let Inner { limits, vms, queues, .. } = &mut *self.lock();
        let queue = queue(queues, token)?;
        let kept = vms.entry(queue.vm_id.clone()).or_default();
        let bytes = kept.queue_bytes + item.len() + SharedLimits::ITEM_BYTES;
        if bytes > limits.queue_bytes {
            return Err(Refused::Limit("queue_bytes"));
        }
        kept.queue_bytes = bytes;
        queue.items.push_back(item);
        let (context, chain) = (queue.root, chain.clone());
        queue.mailbox.announce(Announcement { context, token, chain });
        Ok(())
    }

    pub(crate) fn dequeue(&self, token: u32) -> Result<Bytes, Status> {
        let Inner { vms, queues, .. } = &mut *self.lock();
        let queue = queue(queues, token)?;
        let item = queue.items.pop_front().ok_or(Status::Empty)?;
        // A guest could fill and empty one queue after the other.
        if queue.items.len() < queue.items.capacity() / 4 {
            queue.items.shrink_to(queue.items.len() * 2);
        }
        if let Some(kept) = vms.get_mut(&queue.vm_id) {
            kept.queue_bytes -= item.len() + SharedLimits::ITEM_BYTES;
        }
        Ok(item)
    }
}

/// A queue by its token; tokens start at 1.
fn queue(queues: &mut [Queue], token: u32) -> Result<&mut Queue, Status> {
    let index = token
        .checked_sub(1)
        .and_then(|index| usize::try_from(index).ok())
        .ok_or(Status::NotFound)?;
    queues.get_mut(index).ok_or(Status::NotFound)
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
        let stale = shared.set(b("vm"), b("k"), b("three"), cas);
        assert_eq!(stale, Err(Status::CasMismatch.into()));
        assert_eq!(shared.get(&b("vm"), &b("k")).unwrap().0, "two");
        assert_eq!(shared.get(&b("other"), &b("k")), None);
    }

    #[test]
    fn a_queue_gives_back_what_was_put_in_first() {
        let shared = Shared::default();
        let token = shared.register_queue(b("vm"), b("q"), Mailbox::default(), 1).unwrap();
        assert_eq!(shared.register_queue(b("vm"), b("q"), Mailbox::default(), 1), Ok(token));
        assert_eq!(shared.resolve_queue(&b("vm"), &b("q")), Ok(token));
        assert_eq!(shared.resolve_queue(&b("vm"), &b("none")), Err(Status::NotFound));
        shared.enqueue(token, b("1"), &EventChain::default()).unwrap();
        shared.enqueue(token, b("2"), &EventChain::default()).unwrap();
        assert_eq!(shared.dequeue(token).unwrap(), "1");
        assert_eq!(shared.dequeue(token).unwrap(), "2");
        assert_eq!(shared.dequeue(token), Err(Status::Empty));
        assert_eq!(shared.dequeue(token + 1), Err(Status::NotFound));
        assert_eq!(shared.dequeue(0), Err(Status::NotFound));
    }

    /// A limit that has room for `items` items of one byte.
    fn room(items: usize) -> usize {
        items * (SharedLimits::ITEM_BYTES + 1)
    }

    #[test]
    fn guests_cannot_fill_the_host_through_shared_data() {
        let limits = SharedLimits { data_bytes: room(1) + 3, ..SharedLimits::default() };
        let shared = Shared::new(limits);
        let full = Err(Refused::Limit("data_bytes"));
        shared.set(b("vm"), b("k"), b("123"), 0).unwrap();
        assert_eq!(shared.set(b("vm"), b("k"), b("1234"), 0), full);
        assert_eq!(shared.set(b("vm"), b("l"), b(""), 0), full, "a key without a value counts");
        shared.set(b("vm"), b("k"), b("321"), 0).unwrap();
        shared.set(b("other"), b("k"), b("1"), 0).unwrap();
    }

    #[test]
    fn guests_cannot_fill_the_host_through_queues() {
        let limits = SharedLimits { queue_bytes: room(3), queues: 2, ..SharedLimits::default() };
        let shared = Shared::new(limits);
        let register = |name| shared.register_queue(b("vm"), name, Mailbox::default(), 1);
        let enqueue = |token, item| shared.enqueue(token, item, &EventChain::default());
        let full = Refused::Limit("queue_bytes");
        let long = Bytes::from(vec![b'n'; room(3)]);
        assert_eq!(register(long), Err(full), "a name counts");
        let token = register(b("q")).unwrap();
        enqueue(token, b("")).unwrap();
        enqueue(token, b("1")).unwrap();
        assert_eq!(enqueue(token, b("")), Err(full), "an empty item counts");
        shared.dequeue(token).unwrap();
        enqueue(token, b("1")).unwrap();
        shared.dequeue(token).unwrap();
        register(b("r")).unwrap();
        assert_eq!(register(b("s")), Err(Refused::Limit("queues")));
        let other = shared.register_queue(b("other"), b("q"), Mailbox::default(), 1).unwrap();
        enqueue(other, b("1")).unwrap();
    }

    #[test]
    fn a_queue_that_was_full_once_gives_its_memory_back() {
        let shared = Shared::default();
        let token = shared.register_queue(b("vm"), b("q"), Mailbox::default(), 1).unwrap();
        for _ in 0..10_000 {
            shared.enqueue(token, b(""), &EventChain::default()).unwrap();
        }
        for _ in 0..10_000 {
            shared.dequeue(token).unwrap();
        }
        assert!(shared.lock().queues[0].items.capacity() < 16);
    }
}
