//! The open connections of clients. When there is no room for another one, the connections that
//! wait for their clients the longest are closed: clients that send nothing, or half a request,
//! cannot keep others out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinSet};

use crate::client_state::ClientState;

/// A client has this long to send something before its connection may be closed for another one's
/// sake.
pub(crate) const GRACE: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(crate) struct Connections {
    tasks: JoinSet<()>,
    open: HashMap<Id, (Arc<ClientState>, AbortHandle)>,
}

impl Connections {
    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Serves a connection in a task of its own.
    pub(crate) fn spawn(
        &mut self,
        state: Arc<ClientState>,
        serving: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.tasks.spawn(serving);
        self.open.insert(task.id(), (state, task));
    }

    /// Waits until a connection ended. Never ready when none is open.
    pub(crate) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.open.remove(&id)),
            Some(Err(error)) => drop(self.open.remove(&error.id())),
            None => std::future::pending().await,
        }
    }

    /// Closes connections that wait for their clients: those that wait the longest, at most one in
    /// sixteen, and only after [`GRACE`]. Says how many were closed.
    pub(crate) fn make_room(&mut self) -> usize {
        let waiting = |(id, (state, _)): (&Id, &(Arc<ClientState>, AbortHandle))| {
            let since = state.waits_since().filter(|since| since.elapsed() >= GRACE)?;
            Some((since, *id))
        };
        let mut waiting: Vec<_> = self.open.iter().filter_map(waiting).collect();
        waiting.sort_unstable();
        waiting.truncate(1 + self.open.len() / 16);
        for (_, id) in &waiting {
            if let Some((_, task)) = self.open.remove(id) {
                task.abort();
            }
        }
        waiting.len()
    }

    /// Waits until all ended.
    pub(crate) async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Cuts those that are left, and says how many they were.
    pub(crate) async fn cut(&mut self) -> usize {
        while self.tasks.try_join_next().is_some() {}
        let cut = self.tasks.len();
        self.tasks.shutdown().await;
        cut
    }
}
