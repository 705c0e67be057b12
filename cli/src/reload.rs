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

/// What stands in a file, or why there is nothing to read.
type Glance = Result<Vec<u8>, String>;

impl Watched {
    /// Looks at the file for ever. A good policy takes the place of the running one for every request that begins after;
    /// of a faulty one everything that is wrong is told once, and the running one stays.
    pub async fn watch(mut self) {
        // What stands there at the start is what runs already, unless it changed in between.
        let mut judged: Option<Glance> = None;
        let mut before: Option<Glance> = None;
        loop {
            tokio::time::sleep(PERIOD).await;
            let glance = Some(tokio::fs::read(&self.path).await.map_err(|error| error.to_string()));
            // A file that is just being written is empty or half there, and half a policy may be a policy: only what two
            // looks in a row saw counts.
            let settled = glance == before;
            before = glance;
            if !settled || before == judged {
                continue;
            }
            let first = judged.is_none();
            judged.clone_from(&before);
            let Some(glance) = &judged else { continue };
            match tokio::task::block_in_place(|| self.reload(glance)) {
                Ok(false) if !first => eprintln!("gatepost: {} means the same as before", self.path.display()),
                Ok(false) => {}
                Ok(true) => eprintln!("gatepost: {} is in force now", self.path.display()),
                Err(why) => anstream::eprintln!("{why}gatepost: the policy that was in force stays in force"),
            }
        }
    }

    /// Puts a policy in force; false when it is there already.
    fn reload(&mut self, glance: &Glance) -> Result<bool, String> {
        let policy = self.parse(glance)?;
        if policy.json == self.running {
            return Ok(false);
        }
        let plugin = PolicyPlugin::start(&self.module, &policy.json, self.workers, self.metrics.clone())
            .map_err(|error| format!("gatepost: {error}\n"))?;
        self.slot.swap(plugin);
        self.running = policy.json;
        Ok(true)
    }

    fn parse(&self, glance: &Glance) -> Result<PolicyFile, String> {
        let name = self.path.display();
        let faults = |report| Render::Text { color: true }.render(&[report]);
        let bytes = glance.as_ref().map_err(|error| format!("gatepost: cannot read {name}: {error}\n"))?;
        match std::str::from_utf8(bytes) {
            Ok(text) => PolicyFile::parse(&name.to_string(), text).map_err(faults),
            // Reading it as a file tells where the bytes are that are no text.
            Err(_) => PolicyFile::read(&self.path).map_err(|error| match error {
                FileError::Faulty(report) => faults(report),
                FileError::Unreadable { .. } => format!("gatepost: {error}\n"),
            }),
        }
    }
}
