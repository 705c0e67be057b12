//! A policy file that may change while it is served. It is looked at a few times a second, which
//! works on every file system and through the symbolic links that Kubernetes swaps when a ConfigMap
//! changes.

use std::path::PathBuf;
use std::time::Duration;

use gatepost_authoring::{FileError, PolicyFile, Render};
use gatepost_host::Metrics;

use gatepost_gateway::FilterSlot;
use gatepost_gateway::plugin::{FilterModule, PolicyLayer};

const PERIOD: Duration = Duration::from_millis(250);

/// A policy in force, and the file that it came from.
pub struct Watched {
    /// The file.
    pub path: PathBuf,
    /// The plugin configuration in force.
    pub running: String,
    /// What new filters are started from.
    pub module: FilterModule,
    /// How many VMs run it.
    pub workers: usize,
    /// Counters go on over a reload.
    pub metrics: Metrics,
    /// Where the gateway takes its filter from.
    pub slot: FilterSlot,
}

/// What stands in a file, or why there is nothing to read.
type Glance = Result<Vec<u8>, String>;

/// Which looks at a file are worth a judgement. A file that is just being written is empty or half
/// there, and half a policy may well be a policy, an empty one even lets everything pass: only what
/// two looks in a row saw counts, and that once.
#[derive(Default)]
struct Looks {
    last: Option<Glance>,
    judged: Option<Glance>,
}

impl Looks {
    /// Takes a look, and gives it back when it is to be judged.
    fn settled(&mut self, glance: Glance) -> Option<&Glance> {
        let glance = Some(glance);
        if glance == self.last && glance != self.judged {
            self.judged = glance;
            return self.judged.as_ref();
        }
        self.last = glance;
        None
    }
}

impl Watched {
    /// Looks at the file for ever. A good policy takes the place of the running one for every
    /// request that begins after; of a faulty one everything that is wrong is told once, and the
    /// running one stays.
    pub async fn watch(mut self) {
        let mut looks = Looks::default();
        loop {
            tokio::time::sleep(PERIOD).await;
            // What stands there at the start is what runs already, unless it changed in between.
            let first = looks.judged.is_none();
            let Some(glance) =
                looks.settled(tokio::fs::read(&self.path).await.map_err(|error| error.to_string()))
            else {
                continue;
            };
            match tokio::task::block_in_place(|| self.reload(glance)) {
                Ok(false) if !first => {
                    eprintln!("gatepost: {} means the same as before", self.path.display())
                }
                Ok(false) => {}
                Ok(true) => eprintln!("gatepost: {} is in force now", self.path.display()),
                Err(why) => anstream::eprintln!(
                    "{why}gatepost: the policy that was in force stays in force"
                ),
            }
        }
    }

    /// Puts a policy in force; false when it is there already.
    fn reload(&mut self, glance: &Glance) -> Result<bool, String> {
        let policy = self.parse(glance)?;
        if policy.json == self.running {
            return Ok(false);
        }
        let filter =
            PolicyLayer::start(&self.module, &policy.json, self.workers, self.metrics.clone())
                .map_err(|error| format!("gatepost: {error}\n"))?;
        self.slot.swap(&filter);
        self.running = policy.json;
        Ok(true)
    }

    fn parse(&self, glance: &Glance) -> Result<PolicyFile, String> {
        let name = self.path.display();
        let errors = |report| Render::Text { color: true }.render(&[report]);
        let bytes =
            glance.as_ref().map_err(|error| format!("gatepost: cannot read {name}: {error}\n"))?;
        match std::str::from_utf8(bytes) {
            Ok(text) => PolicyFile::parse(&name.to_string(), text).map_err(errors),
            // Reading it as a file tells where the bytes are that are no text.
            Err(_) => PolicyFile::read(&self.path).map_err(|error| match error {
                FileError::Invalid(report) => errors(report),
                FileError::Unreadable { .. } => format!("gatepost: {error}\n"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The looks that are judged, of files that say this, or that cannot be read.
    fn judged<'a>(looks: &[Option<&'a str>]) -> Vec<Option<&'a str>> {
        let mut state = Looks::default();
        let glance = |look: Option<&str>| {
            look.map(|text| text.as_bytes().to_vec()).ok_or_else(|| "gone".to_owned())
        };
        looks.iter().copied().filter(|look| state.settled(glance(*look)).is_some()).collect()
    }

    #[test]
    fn a_file_that_is_being_written_is_not_judged_before_it_is_whole() {
        let looks =
            ["old", "old", "", "apiVersion", "apiVersion: gatepost/v1", "new", "new", "new"]
                .map(Some);
        assert_eq!(judged(&looks), [Some("old"), Some("new")]);
    }

    #[test]
    fn a_file_that_is_gone_for_one_look_is_not_missed() {
        assert_eq!(
            judged(&[Some("old"), Some("old"), None, Some("old"), Some("old")]),
            [Some("old")]
        );
    }

    #[test]
    fn a_file_that_is_gone_and_comes_back_is_judged_each_time_once() {
        let looks =
            [Some("old"), Some("old"), None, None, None, Some("old"), Some("old"), Some("old")];
        assert_eq!(judged(&looks), [Some("old"), None, Some("old")]);
    }
}
