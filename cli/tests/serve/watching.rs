//! When a new content of the policy's file counts: after it was closed, renamed or swapped, and
//! when it is a regular file of the right size. Until then, and for anything else, the policy that
//! runs stays in force.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use gatepost_testbed::client::{Client, get, soon};
use gatepost_testbed::echo::Upstream;
use http::Version;

use crate::reload::{asked, publish};
use crate::served::{Folder, Served, policy};

/// A policy that keeps `db.internal` private.
const PRIVATE: &str = "apiVersion: gatepost/v1\nhosts:\n  private: [db.internal]\n";

async fn serving(folder: &Folder) -> (Upstream, Served, Client) {
    let upstream = Upstream::start("u", None).await.unwrap();
    let served = Served::start(&folder.policy(), &[("*", upstream.addr())]).await;
    let client = Client::connect(Version::HTTP_11, served.address).await;
    (upstream, served, client)
}

/// What the private host is answered with.
async fn private(client: &mut Client) -> u16 {
    let response = client.send(get("http://db.internal/", &[])).await.unwrap();
    let status = response.status().as_u16();
    gatepost_testbed::client::text(response).await;
    status
}

#[tokio::test]
async fn a_file_that_is_being_written_does_not_count_before_it_is_closed() {
    let folder = Folder::with("old");
    folder.write(PRIVATE);
    let (_upstream, mut served, mut client) = serving(&folder).await;
    // Each part but the last is a valid policy that keeps nothing private, or is empty.
    let mut file = std::fs::File::create(folder.policy()).unwrap();
    for part in ["", "apiVersion: gatepost/v1\n", "hosts:\n", "  unmapped: pass\n"] {
        file.write_all(part.as_bytes()).unwrap();
        // Time to be read by mistake. Without it the test could pass by luck; it cannot fail by it.
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(private(&mut client).await, 404, "after {part:?}");
        // Another file in the folder changes nothing.
        std::fs::write(folder.path().join("other.new"), part).unwrap();
        std::fs::rename(folder.path().join("other.new"), folder.path().join("other")).unwrap();
    }
    file.write_all(b"  private: [db.internal, x.internal]\n").unwrap();
    drop(file);
    let said = served.says("is in force now").await;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(private(&mut client).await, 404);
}

#[tokio::test]
async fn an_empty_file_never_replaces_a_policy() {
    let folder = Folder::with("old");
    folder.write(PRIVATE);
    let (_upstream, mut served, mut client) = serving(&folder).await;
    for empty in ["", "\n", "---\n", "# nothing\n", "{}", "null\n", "---\n...\n", "\u{feff}"] {
        folder.write(empty);
        served.says("the policy that was in force stays in force").await;
        assert_eq!(private(&mut client).await, 404, "{empty:?}");
        folder.replace(empty);
        served.says("the policy that was in force stays in force").await;
        assert_eq!(private(&mut client).await, 404, "{empty:?}");
    }
}

#[tokio::test]
async fn what_is_no_regular_file_of_the_right_size_is_refused_unread() {
    let folder = Folder::with("old");
    let (_upstream, mut served, mut client) = serving(&folder).await;
    let path = folder.policy();
    let put = |make: &dyn Fn(&Path)| {
        let new = folder.path().join("new");
        make(&new);
        if path.is_dir() {
            std::fs::remove_dir(&path).unwrap();
        }
        std::fs::rename(&new, &path).unwrap();
    };
    let run = |program: &str, path: &Path| {
        assert!(std::process::Command::new(program).arg(path).status().unwrap().success());
    };
    let sparse =
        |path: &Path, size: u64| std::fs::File::create(path).unwrap().set_len(size).unwrap();
    // Makes what is put in place, and why it is refused.
    type Case<'a> = (&'a dyn Fn(&Path), &'a str);
    let cases: [Case<'_>; 5] = [
        (&|new| run("mkfifo", new), "it is a pipe, and not a regular file"),
        (&|new| symlink("/dev/zero", new).unwrap(), "it is a device, and not"),
        (&|new| sparse(new, 1 << 34), "it is 17179869184 bytes, more than"),
        (&|new| sparse(new, (16 << 20) + 1), "it is 16777217 bytes, more than"),
        (&|new| symlink("nowhere", new).unwrap(), "No such file"),
    ];
    for (make, why) in cases {
        put(make);
        let said = served.says("the policy that was in force stays in force").await;
        assert!(said.contains("cannot read") && said.contains(why), "{said}");
        assert_eq!(asked(&mut client).await, "old", "{why}");
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    served.says("it is a folder").await;
    std::fs::remove_dir(&path).unwrap();
    folder.replace(&policy("new"));
    served.says("is in force now").await;
    assert_eq!(asked(&mut client).await, "new");
    put(&|new| run("mkfifo", new));
    served.says("it is a pipe").await;
    served.signal("TERM");
    drop(client);
    assert_eq!(served.ends().await.code(), Some(0));
}

#[tokio::test]
async fn every_way_to_put_a_file_in_place_counts() {
    let folder = Folder::with("p0");
    let (_upstream, mut served, mut client) = serving(&folder).await;
    let (path, new) = (folder.policy(), folder.path().join("new"));
    let shell = |script: &str| {
        let mut shell = std::process::Command::new("sh");
        assert!(shell.args(["-ec", script, "sh"]).arg(&path).arg(&new).status().unwrap().success());
    };
    for (number, script) in [
        (1, "mv $2 $1"),
        (2, "cat $2 > $1"),
        (3, "cp $2 $1"),
        (4, "rm $1; cp $2 $1"),
        (5, "rm $1; mv $2 $1"),
        (6, "rm $1; ln $2 $1; rm $2"),
        (7, "mv $2 $2.real; rm $1; ln -s $2.real $1"),
        (8, "cat $2 > $2.real"),
        (9, "mv $2 $2.real"),
        (10, "cp $2 $2.2; ln -s $2.2 $2.link; mv $2.link $1"),
        (11, "mv $1 $1~; cp $2 $1"),
        (12, "d=${1%/*}; cp $2 $d/../kept; rm -r $d; mkdir $d; mv $d/../kept $1"),
        (13, "d=${1%/*}; mkdir $d.2; cp $2 $d.2/policy.yaml; mv $d $d.1; mv $d.2 $d"),
    ] {
        std::fs::write(&new, policy(&format!("p{number}"))).unwrap();
        shell(script);
        soon(async {
            while asked(&mut client).await != format!("p{number}") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        served.says("is in force now").await;
    }
}

#[tokio::test]
async fn a_link_anywhere_on_the_way_to_the_file_may_be_swapped() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let root = tempfile::tempdir().unwrap();
    let volume = root.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    publish(&volume, "..first", "p0");
    symlink("..data/policy.yaml", volume.join("policy.yaml")).unwrap();
    symlink("volume", root.path().join("current")).unwrap();
    let path = root.path().join("current/policy.yaml");
    let mut served = Served::start(&path, &[("*", upstream.addr())]).await;
    let mut client = Client::connect(Version::HTTP_2, served.address).await;
    for number in 1..=3 {
        publish(&volume, &format!("..{number}"), &format!("p{number}"));
        served.says("is in force now").await;
        assert_eq!(asked(&mut client).await, format!("p{number}"));
    }
    let other = root.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("policy.yaml"), policy("p4")).unwrap();
    symlink("other", root.path().join("next")).unwrap();
    std::fs::rename(root.path().join("next"), root.path().join("current")).unwrap();
    served.says("is in force now").await;
    assert_eq!(asked(&mut client).await, "p4");
}

#[tokio::test]
async fn protections_that_a_new_policy_lacks_are_named() {
    let folder = Folder::with("old");
    folder.write(&format!("{PRIVATE}strip: [x-secret]\n"));
    let (_upstream, mut served, mut client) = serving(&folder).await;
    folder.replace("apiVersion: gatepost/v1\nstrip: [x-other]\n");
    let said = served.says("no longer guards the header `x-secret`").await;
    assert!(
        said.contains("the new policy no longer refuses the private host `db.internal`"),
        "{said}"
    );
    assert_eq!(private(&mut client).await, 200);
}
