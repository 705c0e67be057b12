//! The contexts of one VM: its plugins' root contexts, its streams' contexts, and which of them
//! hostcalls act on. A context has an id, which the guest knows, and a slot, where it is kept here.

use hashbrown::HashMap;

use crate::filter_state::Declared;
use crate::limits::Refused;
use crate::outcome::LocalReply;
use crate::plugin::{PluginConfig, Root};
use crate::stream::{Info, Stream};

/// One context of a VM, by its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContextRef {
    /// No context: the VM starts.
    Vm,
    Root(u32),
    Stream(u32),
}

/// The contexts of one VM.
pub(crate) struct Contexts {
    pub(crate) roots: Vec<Root>,
    pub(crate) streams: Vec<Stream>,
    free_streams: Vec<u32>,
    by_id: HashMap<u32, ContextRef>,
    next_id: u32,
    /// Ids have started from 1 again, so an id may be in use.
    ids_wrapped: bool,
    /// The context that hostcalls act on: the entered one, unless the guest has selected another
    /// with `proxy_set_effective_context`.
    effective: ContextRef,
    /// The context that the host called the guest with.
    entered: ContextRef,
    /// Slots of streams that the guest continued, closed or answered while the host had called it
    /// with another context.
    touched: Vec<u32>,
    /// The bytes of the local replies that the driver has not taken yet, of all streams.
    pub(crate) reply_bytes: usize,
}

impl Default for Contexts {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            streams: Vec::new(),
            free_streams: Vec::new(),
            by_id: HashMap::new(),
            next_id: 1,
            ids_wrapped: false,
            effective: ContextRef::Vm,
            entered: ContextRef::Vm,
            touched: Vec::new(),
            reply_bytes: 0,
        }
    }
}

impl Contexts {
    /// The next id that no context has. Ids start at 1; 0 is the VM itself.
    fn allocate_id(&mut self) -> u32 {
        loop {
            let id = self.next_id;
            self.next_id = id.checked_add(1).unwrap_or_else(|| {
                self.ids_wrapped = true;
                1
            });
            if !self.ids_wrapped || !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    /// Adds a plugin's root context; its slot and its id.
    pub(crate) fn add_root(&mut self, config: PluginConfig) -> (u32, u32) {
        let id = self.allocate_id();
        let root = Root::new(id, config);
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
        self.by_id.insert(id, ContextRef::Root(slot));
        (slot, id)
    }

    pub(crate) fn remove_root(&mut self, slot: u32) {
        if let Some(root) = self.roots.get_mut(slot as usize) {
            self.by_id.remove(&root.context);
            *root = Root::new(0, PluginConfig::default());
        }
    }

    /// Adds a stream's context; its slot and its id.
    #[inline]
    pub(crate) fn add_stream(&mut self, root: u32, info: Info) -> (u32, u32) {
        let id = self.allocate_id();
        let slot = self.free_streams.pop().unwrap_or_else(|| {
            self.streams.push(Stream::default());
            u32::try_from(self.streams.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(stream) = self.streams.get_mut(slot as usize) {
            stream.reset(id, root, info);
        }
        if let Some(root) = self.roots.get_mut(root as usize) {
            root.open_streams += 1;
        }
        self.by_id.insert(id, ContextRef::Stream(slot));
        (slot, id)
    }

    pub(crate) fn remove_stream(&mut self, slot: u32) {
        self.take_reply(slot);
        if let Some(stream) = self.streams.get_mut(slot as usize) {
            self.by_id.remove(&stream.context);
            if let Some(root) = self.roots.get_mut(stream.root as usize) {
                root.open_streams = root.open_streams.saturating_sub(1);
            }
            stream.free();
            self.free_streams.push(slot);
        }
    }

    pub(crate) fn find(&self, id: u32) -> Option<ContextRef> {
        self.by_id.get(&id).copied()
    }

    /// The host calls the guest with this context: hostcalls act on it.
    pub(crate) fn enter(&mut self, context: ContextRef) {
        self.entered = context;
        self.effective = context;
    }

    /// Hostcalls act on this context from now on.
    pub(crate) fn set_effective(&mut self, context: ContextRef) {
        self.effective = context;
    }

    /// The context that the host called the guest with.
    pub(crate) fn entered(&self) -> ContextRef {
        self.entered
    }

    /// The stream that the host called the guest with.
    pub(crate) fn entered_stream(&self) -> Option<&Stream> {
        self.stream_at(self.entered)
    }

    /// The plugin that the host called the guest for.
    pub(crate) fn entered_root(&self) -> Option<&Root> {
        self.roots.get(self.root_slot_of(self.entered)? as usize)
    }

    /// What was declared in the context that the host called the guest with.
    pub(crate) fn entered_declared(&mut self) -> Option<&mut Declared> {
        match self.entered {
            ContextRef::Vm => None,
            ContextRef::Root(slot) => Some(&mut self.roots.get_mut(slot as usize)?.declared),
            ContextRef::Stream(slot) => Some(&mut self.streams.get_mut(slot as usize)?.declared),
        }
    }

    pub(crate) fn entered_root_mut(&mut self) -> Option<&mut Root> {
        let slot = self.root_slot_of(self.entered)?;
        self.roots.get_mut(slot as usize)
    }

    fn stream_at(&self, context: ContextRef) -> Option<&Stream> {
        match context {
            ContextRef::Stream(slot) => self.streams.get(slot as usize),
            ContextRef::Vm | ContextRef::Root(_) => None,
        }
    }

    /// The stream that hostcalls act on.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.stream_at(self.effective)
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        match self.effective {
            ContextRef::Stream(slot) => self.streams.get_mut(slot as usize),
            ContextRef::Vm | ContextRef::Root(_) => None,
        }
    }

    /// The stream that hostcalls act on, to be continued, closed or answered. After the callback
    /// the driver looks at the entered stream only; another stream is put on a list for it.
    pub(crate) fn touch(&mut self) -> Option<&mut Stream> {
        let ContextRef::Stream(slot) = self.effective else { return None };
        let stream = self.streams.get_mut(slot as usize)?;
        if self.effective != self.entered && !std::mem::replace(&mut stream.touched, true) {
            self.touched.push(slot);
        }
        Some(stream)
    }

    /// Takes the list that [`touch`](Self::touch) makes.
    pub(crate) fn take_touched(&mut self) -> Vec<u32> {
        let touched = std::mem::take(&mut self.touched);
        for slot in &touched {
            if let Some(stream) = self.streams.get_mut(*slot as usize) {
                stream.touched = false;
            }
        }
        touched
    }

    /// Puts a local reply on the stream that hostcalls act on, unless it has one.
    pub(crate) fn reply(&mut self, reply: LocalReply, limit: usize) -> Result<(), Refused> {
        let bytes = self.reply_bytes.saturating_add(reply.bytes());
        if bytes > limit {
            return Err(Refused::Limit("body_bytes"));
        }
        let Some(stream) = self.touch().filter(|stream| stream.local_reply.is_none()) else {
            return Ok(());
        };
        stream.local_reply = Some(Box::new(reply));
        self.reply_bytes = bytes;
        Ok(())
    }

    /// Takes the local reply of a stream.
    pub(crate) fn take_reply(&mut self, slot: u32) -> Option<Box<LocalReply>> {
        let reply = self.streams.get_mut(slot as usize)?.local_reply.take()?;
        self.reply_bytes -= reply.bytes();
        Some(reply)
    }

    fn root_slot_of(&self, context: ContextRef) -> Option<u32> {
        match context {
            ContextRef::Stream(slot) => self.streams.get(slot as usize).map(|stream| stream.root),
            ContextRef::Root(slot) => Some(slot),
            ContextRef::Vm => None,
        }
    }

    /// The slot of the plugin that hostcalls act for.
    pub(crate) fn root_slot(&self) -> Option<u32> {
        self.root_slot_of(self.effective)
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
    pub(crate) fn id(&self) -> u32 {
        match self.effective {
            ContextRef::Vm => 0,
            ContextRef::Root(slot) => self.roots.get(slot as usize).map_or(0, |root| root.context),
            ContextRef::Stream(slot) => {
                self.streams.get(slot as usize).map_or(0, |stream| stream.context)
            }
        }
    }
}
