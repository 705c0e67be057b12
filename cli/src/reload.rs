//! A policy file that may change while it is served. It is looked at a few times a second, which works on every file system and
//! through the symbolic links that Kubernetes swaps when a ConfigMap changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gatepost_authoring::policy::FileError;
use gatepost_authoring::{PolicyFile, Render};
use gatepost_host::Metrics;

use crate::gateway::FilterSlot;
use crate::plugin::{FilterModule, PolicyPlugin};

const PERIOD: Duration = Duration::from_millis(250);

/// A policy in force, and the file that it came from.
pub struct Watched {
    /// The file.
    pub path: PathBuf,
    /// The plugin configuration in force.
    pub running: String,
    /// What new plugins are started from.
    pub module: FilterModule,
    /// How many VMs a plugin has.
    pub workers: usize,
    /// Counters go on over a reload.
    pub metrics: Metrics,
    /// Where the gateway takes its filter from.
    pub slot: Arc<FilterSlot>,
}

/// What is known of a file without parsing it: its text, or why there is none.
type Glance = Result<String, std::io::ErrorKind>;

impl Watched {
    /// Looks at the file for ever. A good policy takes the place of the running one for every request that begins after;
    /// of a faulty one everything that is wrong is told once, and the running one stays.
    pub async fn watch(mut self) {
        let mut seen: Option<Glance> = None;
        loop {
            tokio::time::sleep(PERIOD).await;
            let glance = tokio::fs::read(&self.path).await.map_err(|error| error.kind());
            let glance = glance.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            if seen.as_ref() == Some(&glance) {
                continue;
            }
            let first = seen.is_none();
            seen = Some(glance);
            // What stands there at the start is what runs already, unless it changed in between.
            match tokio::task::block_in_place(|| self.reload()) {
                Ok(false) if !first => eprintln!("gatepost: {} means the same as before", self.path.display()),
                Ok(false) => {}
                Ok(true) => eprintln!("gatepost: {} is in force now", self.path.display()),
                Err(why) => eprintln!("{why}gatepost: the policy that was in force stays in force"),
            }
        }
    }

    /// Puts the file's policy in force; false when it is there already.
    fn reload(&mut self) -> Result<bool, String> {
        let policy = PolicyFile::read(&self.path).map_err(|error| match error {
            FileError::Faulty(report) => Render::Text { color: false }.render(&[report]),
            FileError::Unreadable { .. } => format!("gatepost: {error}\n"),
        })?;
        if policy.json == self.running {
            return Ok(false);
        }
        let plugin = PolicyPlugin::start(&self.module, &policy.json, self.workers, self.metrics.clone())
            .map_err(|error| format!("gatepost: {error}\n"))?;
        self.slot.swap(plugin);
        self.running = policy.json;
        Ok(true)
    }
}
