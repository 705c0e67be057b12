//! The policy's file changes while requests come in. Every request is answered under the old policy
//! or the new one, and after the message only under the new one. A file that cannot be used changes
//! nothing.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gatepost_testbed::client::{Client, VERSIONS, echo, get, received, soon};
use gatepost_testbed::echo::Upstream;
use http::Version;

use crate::served::{Folder, Served, policy};

/// The policy that decides a request on this connection.
pub async fn asked(client: &mut Client) -> String {
    let response = client.send(get("http://a/", &[])).await.unwrap();
    assert_eq!(response.status(), 200);
    received(&echo(response).await, "x-policy").concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_clients_see_old_or_new_and_after_the_message_only_new() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let folder = Folder::with("p0");
    let mut served = Served::start(&folder.policy(), &[("*", upstream.addr())]).await;
    // The policy that was written last, and the one that was announced last.
    let (written, announced) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (written, announced, done, answered) =
                (written.clone(), announced.clone(), done.clone(), answered.clone());
            let address = served.address;
            tokio::spawn(async move {
                let mut client = Client::connect(VERSIONS[number % 2], address).await;
                while !done.load(Ordering::SeqCst) {
                    let oldest = announced.load(Ordering::SeqCst);
                    let policy: usize =
                        asked(&mut client).await.strip_prefix('p').unwrap().parse().unwrap();
                    let newest = written.load(Ordering::SeqCst);
                    assert!(
                        (oldest..=newest).contains(&policy),
                        "policy {policy}, of {oldest} to {newest}"
                    );
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for number in 1..=6 {
        let before = answered.load(Ordering::SeqCst);
        written.store(number, Ordering::SeqCst);
        let text = policy(&format!("p{number}"));
        if number % 2 == 0 {
            folder.replace(&text);
        } else {
            folder.write(&text);
        }
        served.says("policy.yaml is in force now").await;
        announced.store(number, Ordering::SeqCst);
        soon(async {
            while answered.load(Ordering::SeqCst) < before + 100 {
                assert!(
                    !clients.iter().any(tokio::task::JoinHandle::is_finished),
                    "a client failed"
                );
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    done.store(true, Ordering::SeqCst);
    for client in clients {
        soon(client).await.unwrap();
    }
}

#[tokio::test]
async fn a_faulty_file_is_told_of_with_line_and_column_and_changes_nothing() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let folder = Folder::with("old");
    let mut served = Served::start(&folder.policy(), &[("*", upstream.addr())]).await;
    let mut client = Client::connect(Version::HTTP_11, served.address).await;
    for (faulty, told) in [
        (
            "apiVersion: gatepost/v1\nhosts:\n  maping: []\n",
            ["unknown field `maping`", "policy.yaml:3:3"],
        ),
        ("apiVersion: gatepost/v1\nhosts: [a\n", ["not valid YAML", "policy.yaml:2:8"]),
        ("mode: watch\nmode: enforce\n", ["apiVersion is missing", "policy.yaml:2:1"]),
    ] {
        folder.replace(faulty);
        let said = served.says("the policy that was in force stays in force").await;
        for part in told {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(asked(&mut client).await, "old");
    }
    std::fs::write(folder.policy(), b"apiVersion: gatepost/v1 # caf\xe9\n").unwrap();
    let said = served.says("stays in force").await;
    assert!(said.contains("not UTF-8") && said.contains("policy.yaml:1:30"), "{said}");
    assert_eq!(asked(&mut client).await, "old");
    folder.replace(&policy("new"));
    served.says("is in force now").await;
    assert_eq!(asked(&mut client).await, "new");
}

#[tokio::test]
async fn a_file_that_is_gone_for_a_while_changes_nothing() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let folder = Folder::with("old");
    let mut served = Served::start(&folder.policy(), &[("*", upstream.addr())]).await;
    let mut client = Client::connect(Version::HTTP_2, served.address).await;
    std::fs::remove_file(folder.policy()).unwrap();
    let said = served.says("stays in force").await;
    assert!(said.contains("gatepost: cannot read ") && said.contains("No such file"), "{said}");
    assert_eq!(asked(&mut client).await, "old");
    folder.write(&policy("old"));
    served.says("means the same as before").await;
    assert_eq!(asked(&mut client).await, "old");
    folder.write(&policy("new"));
    served.says("is in force now").await;
    assert_eq!(asked(&mut client).await, "new");
}

#[tokio::test]
async fn a_config_map_that_is_swapped_by_symbolic_links_is_read_again() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let volume = tempfile::tempdir().unwrap();
    let path = volume.path().join("policy.yaml");
    publish(volume.path(), "..first", "old");
    symlink("..data/policy.yaml", &path).unwrap();
    let mut served = Served::start(&path, &[("*", upstream.addr())]).await;
    let mut client = Client::connect(Version::HTTP_11, served.address).await;
    assert_eq!(asked(&mut client).await, "old");
    publish(volume.path(), "..second", "new");
    std::fs::remove_dir_all(volume.path().join("..first")).unwrap();
    served.says("policy.yaml is in force now").await;
    assert_eq!(asked(&mut client).await, "new");
}

/// A version of the volume, put in place at once as the kubelet does: a folder, and `..data`
/// renamed to point to it.
pub fn publish(volume: &Path, version: &str, name: &str) {
    let folder = volume.join(version);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("policy.yaml"), policy(name)).unwrap();
    let link = volume.join("..data_tmp");
    symlink(version, &link).unwrap();
    std::fs::rename(link, volume.join("..data")).unwrap();
}
