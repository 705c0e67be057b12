//! The start and the end of the process: signals, ports that are taken, policies that cannot be
//! used.

use std::net::SocketAddr;

use gatepost_testbed::client::{Client, VERSIONS, get, send, soon, text};
use gatepost_testbed::echo::Upstream;
use http::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::served::{Folder, Served, serve};

/// An upstream that reads one HTTP/1.1 request and answers it when the test says so.
struct Slow {
    address: SocketAddr,
    arrived: oneshot::Receiver<()>,
    answer: oneshot::Sender<()>,
}

async fn slow() -> Slow {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ((arrival, arrived), (answer, asked)) = (oneshot::channel(), oneshot::channel::<()>());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let _ = arrival.send(());
        if asked.await.is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow").await;
        }
        while stream.read(&mut head).await.is_ok_and(|read| read > 0) {}
    });
    Slow { address, arrived, answer }
}

async fn refuses(address: SocketAddr) {
    soon(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_in_flight_is_finished_after_sigterm_and_the_exit_code_is_0() {
    let upstream = slow().await;
    let folder = Folder::with("p");
    let mut served = Served::start(&folder.policy(), &[("*", upstream.address)]).await;
    let address = served.address;
    let _idle = Client::connect(Version::HTTP_11, address).await;
    let request = tokio::spawn(send(Version::HTTP_11, address, get("http://a/", &[])));
    soon(upstream.arrived).await.unwrap();
    served.signal("TERM");
    served.says("finishing the requests in flight").await;
    refuses(address).await;
    upstream.answer.send(()).unwrap();
    let response = soon(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(text(response).await, "slow");
    assert_eq!(served.ends().await.code(), Some(0));
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut_and_counted() {
    let upstream = slow().await;
    let folder = Folder::with("p");
    let mut served =
        Served::start_with(&folder.policy(), &[("*", upstream.address)], &["--drain", "1"]).await;
    let mut client = Client::connect(Version::HTTP_11, served.address).await;
    let request = tokio::spawn(async move { client.send(get("http://a/", &[])).await });
    soon(upstream.arrived).await.unwrap();
    served.signal("TERM");
    served.says("gatepost: 1 connection was cut because its requests did not end in time").await;
    assert!(soon(request).await.unwrap().is_err());
    assert_eq!(served.ends().await.code(), Some(0));
    drop(upstream.answer);
}

#[tokio::test]
async fn ctrl_c_ends_it_as_sigterm_does() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let folder = Folder::with("p");
    let mut served = Served::start(&folder.policy(), &[("*", upstream.addr())]).await;
    for version in VERSIONS {
        assert_eq!(send(version, served.address, get("http://a/", &[])).await.status(), 200);
    }
    served.signal("INT");
    assert_eq!(served.ends().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_one_on_the_same_port_says_so_and_ends_with_2() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let folder = Folder::with("p");
    let served = Served::start(&folder.policy(), &[("*", upstream.addr())]).await;
    let address = served.address.to_string();
    let second =
        soon(serve(&folder.policy(), &address, &[("*", upstream.addr())]).output()).await.unwrap();
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(
        said.starts_with(&format!("gatepost: cannot listen on {address}: Address already in use")),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1);
    assert_eq!(send(Version::HTTP_11, served.address, get("http://a/", &[])).await.status(), 200);
}

#[tokio::test]
async fn a_faulty_policy_is_told_of_at_the_start_and_nothing_is_served() {
    let folder = Folder::with("p");
    folder.write("apiVersion: gatepost/v1\nhosts:\n  maping: []\n");
    let ended =
        soon(serve(&folder.policy(), "127.0.0.1:0", &[("*", ([127, 0, 0, 1], 1).into())]).output())
            .await
            .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    for part in [
        "error[unknown-field]: unknown field `maping`",
        "policy.yaml:3:3",
        "did you mean `mappings`?",
        "cannot be used",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn the_compiled_filter_is_kept_for_the_next_start() {
    let (folder, upstream) = (Folder::with("p"), Upstream::start("u", None).await.unwrap());
    let cache = tempfile::tempdir().unwrap();
    let command = || {
        let mut command = serve(&folder.policy(), "127.0.0.1:0", &[("*", upstream.addr())]);
        command.env("XDG_CACHE_HOME", cache.path());
        command
    };
    let mut kept = Vec::new();
    for _ in 0..2 {
        let (_served, said) = Served::spawn(&mut command()).await;
        assert_eq!(said.lines().count(), 1, "{said}");
        let folder = std::fs::read_dir(cache.path().join("gatepost/modules"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let modules = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut modules: Vec<_> = modules.filter(|path| path.extension().is_none()).collect();
        let written = std::fs::metadata(modules.first().unwrap()).unwrap().modified().unwrap();
        kept.push((modules.pop().unwrap(), written, modules.len()));
    }
    assert_eq!(kept[0], kept[1]);
    assert_eq!(kept[0].2, 0);
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_is_told_and_it_serves() {
    let (folder, upstream) = (Folder::with("p"), Upstream::start("u", None).await.unwrap());
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = serve(&folder.policy(), "127.0.0.1:0", &[("*", upstream.addr())]);
    let (served, said) = Served::spawn(command.env("XDG_CACHE_HOME", file.path())).await;
    assert!(
        said.starts_with("gatepost: the compiled filter is not kept for the next start: "),
        "{said}"
    );
    let response = soon(send(Version::HTTP_11, served.address, get("http://a/", &[]))).await;
    assert_eq!(response.status(), 200);
}
