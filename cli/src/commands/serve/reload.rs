//! Reloads the policy of a running gateway when its file changes. The file is read a few times a
//! second, which works on every file system and through the symbolic links that Kubernetes swaps
//! when a ConfigMap changes.

use std::path::PathBuf;
use std::time::Duration;

use gatepost_authoring::FileError;
use gatepost_authoring::PolicyFile;
use gatepost_gateway::{FilterModule, FilterSlot, PolicyLayer};
use gatepost_host::Metrics;

use crate::commands::output::for_people;

const PERIOD: Duration = Duration::from_millis(250);

/// A policy in force, and the file that it came from.
pub struct PolicyWatcher {
    /// The file.
    pub path: PathBuf,
    /// The plugin configuration in force.
    pub running: String,
    /// The compiled filter.
    pub module: FilterModule,
    /// How many VMs run each policy.
    pub workers: usize,
    /// The counters, which continue over a reload.
    pub metrics: Metrics,
    /// The slot of the gateway's filter.
    pub slot: FilterSlot,
}

/// The content of the file, or the error of reading it.
type Content = Result<Vec<u8>, String>;

/// Decides which content is worth loading. While a file is being written it may be empty or half
/// there, and half a policy may be a valid policy; an empty one even lets every request pass. So
/// content counts only when two reads in a row gave it, and then only once.
#[derive(Default)]
struct StableContent {
    last: Option<Content>,
    accepted: Option<Content>,
}

impl StableContent {
    /// Takes what was read. Gives it back when it is stable and new.
    fn accept(&mut self, read: Content) -> Option<&Content> {
        let read = Some(read);
        if read == self.last && read != self.accepted {
            self.accepted = read;
            return self.accepted.as_ref();
        }
        self.last = read;
        None
    }
}

impl PolicyWatcher {
    /// Reads the file again and again, for ever. A valid policy replaces the running one: requests
    /// that begin afterwards meet the new one. A policy with errors leaves the running one in
    /// force, and its errors are printed once.
    pub async fn watch(mut self) {
        let mut content = StableContent::default();
        loop {
            tokio::time::sleep(PERIOD).await;
            // The first content is most likely what already runs, unless it changed since the
            // start.
            let first = content.accepted.is_none();
            let read = tokio::fs::read(&self.path).await.map_err(|error| error.to_string());
            let Some(changed) = content.accept(read) else { continue };
            match tokio::task::block_in_place(|| self.reload(changed)) {
                Ok(false) if !first => {
                    eprintln!("gatepost: {} means the same as before", self.path.display());
                }
                Ok(false) => {}
                Ok(true) => eprintln!("gatepost: {} is in force now", self.path.display()),
                Err(message) => anstream::eprintln!(
                    "{message}gatepost: the policy that was in force stays in force"
                ),
            }
        }
    }

    /// Puts a policy in force; false when it is in force already. The error is text to print.
    fn reload(&mut self, content: &Content) -> Result<bool, String> {
        let policy = self.parse(content)?;
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

    fn parse(&self, content: &Content) -> Result<PolicyFile, String> {
        let name = self.path.display();
        let findings = |report| for_people().render(&[report]);
        let bytes =
            content.as_ref().map_err(|error| format!("gatepost: cannot read {name}: {error}\n"))?;
        match std::str::from_utf8(bytes) {
            Ok(text) => PolicyFile::parse(&name.to_string(), text).map_err(findings),
            // Only reading it as a file reports where the bytes are that are not UTF-8.
            Err(_) => PolicyFile::read(&self.path).map_err(|error| match error {
                FileError::Invalid(report) => findings(report),
                FileError::Unreadable { .. } => format!("gatepost: {error}\n"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_gateway::{Gateway, GatewayOptions, RouteTable};
    use gatepost_testbed::client::{Client, echo, get, received, soon};
    use gatepost_testbed::echo::Upstream;
    use http::Version;

    use super::*;

    /// The reads that are accepted, of a file with this content or of one that cannot be read.
    fn accepted<'a>(reads: &[Option<&'a str>]) -> Vec<Option<&'a str>> {
        let mut state = StableContent::default();
        let content = |read: Option<&str>| {
            read.map(|text| text.as_bytes().to_vec()).ok_or_else(|| "gone".to_owned())
        };
        reads.iter().copied().filter(|read| state.accept(content(*read)).is_some()).collect()
    }

    #[test]
    fn a_file_that_is_being_written_is_not_loaded_before_it_is_whole() {
        let reads =
            ["old", "old", "", "apiVersion", "apiVersion: gatepost/v1", "new", "new", "new"]
                .map(Some);
        assert_eq!(accepted(&reads), [Some("old"), Some("new")]);
    }

    #[test]
    fn a_file_that_is_gone_for_one_read_is_not_missed() {
        assert_eq!(
            accepted(&[Some("old"), Some("old"), None, Some("old"), Some("old")]),
            [Some("old")]
        );
    }

    #[test]
    fn a_file_that_is_gone_and_comes_back_is_loaded_each_time_once() {
        let reads =
            [Some("old"), Some("old"), None, None, None, Some("old"), Some("old"), Some("old")];
        assert_eq!(accepted(&reads), [Some("old"), None, Some("old")]);
    }

    /// A policy that puts this name into the header `x-policy` of every request.
    fn policy(name: &str) -> String {
        format!(
            "apiVersion: gatepost/v1
environments:
  sources: [{{ header: env }}]
  default: {name}
  hints: {{ headers: {{ x-policy: \"{{env}}\" }} }}
"
        )
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn counters_go_on_over_a_reload() {
        let upstream = Upstream::start("u", None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        std::fs::write(&path, policy("old")).unwrap();
        let module = FilterModule::compile().unwrap();
        let metrics = Metrics::default();
        let running = PolicyFile::read(&path).unwrap().json;
        let filter = PolicyLayer::start(&module, &running, 2, metrics.clone()).unwrap();
        let routes = RouteTable::parse([format!("*=http://{}", upstream.addr())]).unwrap();
        let options = GatewayOptions::default();
        let gateway = Gateway::bind("127.0.0.1:0", routes, &filter, options).await.unwrap();
        let (address, slot) = (gateway.local_addr(), gateway.filter());
        let gateway = tokio::spawn(gateway.run(std::future::pending()));
        let watcher = PolicyWatcher {
            path: path.clone(),
            running,
            module,
            workers: 2,
            metrics: metrics.clone(),
            slot,
        };
        let watching = tokio::spawn(watcher.watch());

        let mut client = Client::connect(Version::HTTP_11, address).await;
        let mut running_policy = async || {
            let response = client.send(get("http://a/", &[])).await.unwrap();
            received(&echo(response).await, "x-policy").concat()
        };
        assert_eq!(running_policy().await, "old");
        std::fs::write(&path, policy("new")).unwrap();
        let mut requests = 2;
        soon(async {
            while running_policy().await == "old" {
                requests += 1;
            }
        })
        .await;
        // The filter reports its counters a moment later.
        soon(async {
            while metrics.value("gatepost.environment.default") != Some(requests) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        watching.abort();
        gateway.abort();
    }
}
