//! How many files and sockets the process may have open.

/// Descriptors for everything but connections: logs, listeners, the policy's file, the runtime.
const RESERVED: u64 = 64;

/// Raises the soft limit to the hard limit, as Envoy does at its start, and says how many clients
/// fit: each may need a connection to an upstream, too.
pub fn raise() -> usize {
    #[cfg(unix)]
    let limit = {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        // It fails where a sandbox forbids it, and then the soft limit holds.
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        if raised.is_ok() { maximum } else { current }
    };
    #[cfg(not(unix))]
    let limit: Option<u64> = None;
    let clients = limit.map(|limit| (limit.saturating_sub(RESERVED) / 2).max(1));
    clients.and_then(|clients| usize::try_from(clients).ok()).unwrap_or(usize::MAX)
}
