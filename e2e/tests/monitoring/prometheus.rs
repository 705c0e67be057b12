//! Debian's Prometheus with the rules of deploy/monitoring and its job, which asks these gateways.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gatepost_testbed::refusing_address;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::file;

/// How long a rule may take: it is evaluated each second.
const WITHIN: Duration = Duration::from_secs(60);

/// A running Prometheus, ended when this is dropped.
pub struct Prometheus {
    url: String,
    process: Child,
    _folder: TempDir,
    _port: TcpSocket,
}

impl Prometheus {
    /// Starts it. The job finds pods of these names at these addresses, as if Kubernetes had them.
    pub fn start(gateways: &[(&str, SocketAddr)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let configuration = folder.path().join("prometheus.json");
        std::fs::write(&configuration, self::configuration(gateways)).expect("a file");
        let (port, address) = refusing_address().expect("a port");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .spawn()
            .expect("prometheus runs: apt-get install prometheus");
        Self { url: format!("http://{address}"), process, _folder: folder, _port: port }
    }

    fn get(&self, path: &str) -> Option<Value> {
        let config = ureq::Agent::config_builder().proxy(None);
        let agent: ureq::Agent =
            config.timeout_global(Some(Duration::from_secs(10))).build().into();
        let mut response = agent.get(format!("{}{path}", self.url)).call().ok()?;
        serde_json::from_str(&response.body_mut().read_to_string().ok()?).ok()
    }

    /// The values of a query, by their labels without the name and the job.
    pub fn query(&self, expression: &str) -> Option<BTreeMap<String, f64>> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(expression)))?;
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let result = answer["data"]["result"].as_array()?;
        let value = |one: &Value| {
            let mut labels: BTreeMap<String, String> =
                serde_json::from_value(one["metric"].clone()).ok()?;
            labels.retain(|name, _| !matches!(name.as_str(), "__name__" | "job"));
            let labels: Vec<String> = labels.into_values().collect();
            Some((labels.join(" "), one["value"][1].as_str()?.parse().ok()?))
        };
        Some(result.iter().filter_map(value).collect())
    }

    /// The alerts that are there, and whether each fires.
    pub fn alerts(&self) -> BTreeMap<String, bool> {
        let answer = self.get("/api/v1/alerts").unwrap_or_default();
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let alert = |one: &Value| {
            let name = one["labels"]["alertname"].as_str()?.to_owned();
            Some((name, one["state"] == "firing"))
        };
        alerts.iter().filter_map(alert).collect()
    }

    /// Waits until this holds.
    pub fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            assert!(started.elapsed() < WITHIN, "{what}: {:?}", self.alerts());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The job for each gateway: what Kubernetes would say of its pod takes the place of the discovery,
/// which Debian builds Prometheus without, and its port that of the agent.
fn configuration(gateways: &[(&str, SocketAddr)]) -> String {
    let text = std::fs::read_to_string(file("prometheus.yaml")).expect("a file");
    let job = |(name, address): &(&str, SocketAddr)| {
        let text = text.replace(":15020", &format!(":{}", address.port()));
        let whole: Value = serde_saphyr::from_str(&text).expect("YAML");
        let mut job = whole["scrape_configs"][0].clone();
        let fields = job.as_object_mut().expect("a job");
        fields.remove("kubernetes_sd_configs").expect("a discovery");
        fields.insert("job_name".to_owned(), json!(name));
        let labels = json!({
            "__meta_kubernetes_pod_label_istio": "ingressgateway",
            "__meta_kubernetes_pod_container_init": "false",
            "__meta_kubernetes_pod_ip": address.ip(),
            "__meta_kubernetes_namespace": "istio-system",
            "__meta_kubernetes_pod_name": name,
        });
        let static_configs = json!([{ "targets": ["pod:0"], "labels": labels }]);
        fields.insert("static_configs".to_owned(), static_configs);
        job
    };
    let jobs: Vec<Value> = gateways.iter().map(job).collect();
    json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": [file("rules.yaml").canonicalize().expect("a path")],
        "scrape_configs": jobs,
    })
    .to_string()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
