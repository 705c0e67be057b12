//! The webhook over TLS: both HTTP versions, clients that are slow or silent, and its certificate.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatepost_admission::{Certificate, Judge, Server, Stats};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Channel, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HOST: &str = "gatepost-admission.gatepost.svc";

const REVIEW: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{
"uid":"1","operation":"CREATE","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{},
"data":{"policy.yaml":"apiVersion: gatepost/v1\nhosts: {unmaped: reject}\n"}}}}"#;

/// Waits for a step. It is far longer than any step takes.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it ends within a minute")
}

/// A running webhook.
struct Webhook {
    address: SocketAddr,
    folder: TempDir,
    certificate: Certificate,
    stats: Stats,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Webhook {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write_certificate(&folder);
        let certificate = Certificate::read(&folder.path().join("crt"), &folder.path().join("key"))
            .expect("a certificate");
        let stats = Stats::default();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(any, Judge::default(), certificate.clone(), stats.clone()).await;
        let server = server.expect("a free port");
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { address, folder, certificate, stats, stop: Some(stop), running }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Connects, and trusts the certificate that the folder has now.
    async fn connect(&self, protocol: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        let text = std::fs::read(self.file("crt")).expect("a file");
        let root = rustls::pki_types::CertificateDer::from_pem_slice(&text).expect("PEM");
        roots.add(root).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(HOST).expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    async fn http2<B>(&self) -> http2::SendRequest<B>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = soon(self.connect("h2")).await.expect("TLS");
        let io = TokioIo::new(stream);
        let (sender, connection) =
            soon(http2::handshake(TokioExecutor::new(), io)).await.expect("HTTP/2");
        tokio::spawn(connection);
        sender
    }

    async fn asks(&self, body: &str) -> (StatusCode, String) {
        let mut sender = self.http2().await;
        read(soon(sender.send_request(post(Full::from(body.to_owned())))).await).await
    }

    async fn ends(&mut self) {
        drop(self.stop.take());
        soon(&mut self.running).await.expect("it ends");
    }
}

fn write_certificate(folder: &TempDir) {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("crt"), made.cert.pem()).expect("a file");
    std::fs::write(folder.path().join("key"), made.signing_key.serialize_pem()).expect("a file");
}

fn post<B>(body: B) -> Request<B> {
    let uri = format!("https://{HOST}/validate");
    Request::post(uri).header("content-type", "application/json").body(body).expect("a request")
}

async fn read(answer: hyper::Result<http::Response<Incoming>>) -> (StatusCode, String) {
    let answer = answer.expect("an answer");
    let status = answer.status();
    let body = soon(answer.into_body().collect()).await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn a_review_is_answered_over_both_http_versions() {
    let mut webhook = Webhook::start().await;
    let (status, body) = webhook.asks(REVIEW).await;
    assert_eq!(status, 200);
    assert!(body.contains("unknown field `unmaped`"), "{body}");

    let io = TokioIo::new(soon(webhook.connect("http/1.1")).await.expect("TLS"));
    let (mut sender, connection) = soon(http1::handshake(io)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let mut request = post(Full::<Bytes>::from(REVIEW));
    request.headers_mut().insert("host", HOST.parse().expect("a host"));
    let (status, again) = read(soon(sender.send_request(request)).await).await;
    assert_eq!((status.as_u16(), again), (200, body));

    webhook.ends().await;
    let text = webhook.stats.text();
    assert!(text.contains("gatepost_admission_reviews_total{verdict=\"denied\"} 2"), "{text}");
}

#[tokio::test]
async fn what_is_no_review_gets_no_verdict() {
    let webhook = Webhook::start().await;
    let (status, body) = webhook.asks("{").await;
    assert_eq!(status, 400, "{body}");
    let large = "x".repeat((8 << 20) + 1);
    assert_eq!(webhook.asks(&large).await.0, 413);
    let mut sender = webhook.http2().await;
    for (method, path, expected) in [("GET", "/validate", 405), ("POST", "/", 404)] {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{HOST}{path}"))
            .body(Full::from(REVIEW))
            .expect("a request");
        assert_eq!(read(soon(sender.send_request(request)).await).await.0, expected);
    }
    let text = webhook.stats.text();
    assert!(text.contains("gatepost_admission_failures_total{reason=\"too_large\"} 1"), "{text}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_timed_out_and_the_connection_goes_on() {
    let webhook = Webhook::start().await;
    let mut sender = webhook.http2().await;
    let (mut half, body) = Channel::<Bytes>::new(1);
    half.send_data(Bytes::from(&REVIEW[..40])).await.expect("room");
    let (status, text) = read(soon(sender.send_request(post(body))).await).await;
    assert_eq!(status, 408, "{text}");
    drop(half);
    let (mut whole, body) = Channel::<Bytes>::new(1);
    whole.send_data(Bytes::from(REVIEW)).await.expect("room");
    drop(whole);
    assert_eq!(read(soon(sender.send_request(post(body))).await).await.0, 200);
}

#[tokio::test]
async fn clients_that_send_nothing_or_half_a_head_are_closed() {
    let webhook = Webhook::start().await;
    // No handshake.
    let mut silent = TcpStream::connect(webhook.address).await.expect("a connection");
    let mut end = Vec::new();
    assert_eq!(soon(silent.read_to_end(&mut end)).await.expect("the end"), 0);
    // No head, and half of one. The end may come without TLS's own.
    for (protocol, begin) in
        [("h2", ""), ("h2", "PRI * HTTP"), ("http/1.1", "POST /validate HTTP/1.1\r\nho")]
    {
        let mut half = soon(webhook.connect(protocol)).await.expect("TLS");
        half.write_all(begin.as_bytes()).await.expect("room");
        let mut end = Vec::new();
        let _ = soon(half.read_to_end(&mut end)).await;
    }
}

#[tokio::test]
async fn hundreds_of_silent_clients_keep_no_review_out() {
    let webhook = Webhook::start().await;
    let mut silent = Vec::new();
    for _ in 0..400 {
        silent.push(soon(TcpStream::connect(webhook.address)).await.expect("a connection"));
    }
    assert_eq!(webhook.asks(REVIEW).await.0, 200);
    drop(silent);
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_bad_one_is_not() {
    let webhook = Webhook::start().await;
    let (chain, key) = (webhook.file("crt"), webhook.file("key"));
    let good = [std::fs::read(&chain), std::fs::read(&key)].map(|read| read.expect("a file"));
    let before = webhook.http2::<Full<Bytes>>().await;
    for (bad_chain, bad_key, why) in [
        (&b"no PEM"[..], &good[1][..], "no certificate in PEM"),
        (&good[0], b"", "no private key in PEM"),
        (&good[1], &good[1], "no certificate in PEM"),
        (&good[0][..100], &good[1], "no certificate in PEM: a section has no end"),
    ] {
        std::fs::write(&chain, bad_chain).expect("a file");
        std::fs::write(&key, bad_key).expect("a file");
        let error = webhook.certificate.read_again().expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
        std::fs::write(&chain, &good[0]).expect("a file");
        assert_eq!(webhook.asks(REVIEW).await.0, 200, "the old one is in use");
    }
    // Another certificate, and still the old key.
    write_certificate(&webhook.folder);
    let new_key = std::fs::read(&key).expect("a file");
    std::fs::write(&key, &good[1]).expect("a file");
    let error = webhook.certificate.read_again().expect_err("they differ").to_string();
    assert!(error.contains("cannot be used"), "{error}");
    std::fs::remove_file(&key).expect("a file");
    assert!(webhook.certificate.read_again().is_err());

    std::fs::write(&key, new_key).expect("a file");
    assert!(soon(webhook.connect("h2")).await.is_err(), "nobody has the new one yet");
    webhook.certificate.read_again().expect("a certificate");
    assert_eq!(webhook.asks(REVIEW).await.0, 200);
    // A connection goes on as it began.
    let mut before = before;
    assert_eq!(read(soon(before.send_request(post(Full::from(REVIEW)))).await).await.0, 200);
}

/// A Secret that is filled by hand loses ends of lines. The parser quotes what it finds instead.
#[tokio::test]
async fn no_key_that_cannot_be_read_is_in_an_error() {
    let webhook = Webhook::start().await;
    let key = std::fs::read_to_string(webhook.file("key")).expect("a file");
    let secret = key.lines().nth(1).expect("Base64").to_owned();
    for broken in [
        key.replace('\n', " "),
        key.replace('\n', ""),
        key.replacen("-----\n", "\n", 1),
        key.replacen("-----\n", "", 1),
        key.replacen('\n', "\n!", 1),
        key[..key.len() - 10].to_owned(),
    ] {
        for name in ["key", "crt"] {
            let good = std::fs::read(webhook.file(name)).expect("a file");
            std::fs::write(webhook.file(name), &broken).expect("a file");
            let error = webhook.certificate.read_again().expect_err("it is broken");
            for said in [error.to_string(), format!("{error:?}")] {
                let bytes = format!("{:?}", secret.as_bytes());
                let quotes =
                    said.contains(&secret) || said.contains(bytes.trim_matches(['[', ']']));
                assert!(!quotes, "{said}");
            }
            std::fs::write(webhook.file(name), good).expect("a file");
        }
    }
}

#[tokio::test]
async fn a_review_that_has_begun_is_answered_when_the_webhook_ends() {
    let mut webhook = Webhook::start().await;
    let mut sender = webhook.http2().await;
    let (mut body, receiver) = Channel::<Bytes>::new(1);
    let (begin, rest) = REVIEW.split_at(40);
    let answer = tokio::spawn(sender.send_request(post(receiver)));
    body.send_data(Bytes::from(begin)).await.expect("room");
    // A second request that is answered shows that the server has the first.
    let (mut whole, second) = Channel::<Bytes>::new(1);
    whole.send_data(Bytes::from(REVIEW)).await.expect("room");
    drop(whole);
    assert_eq!(read(soon(sender.send_request(post(second))).await).await.0, 200);
    drop(webhook.stop.take());
    body.send_data(Bytes::from(rest)).await.expect("room");
    drop(body);
    assert_eq!(read(soon(answer).await.expect("a task")).await.0, 200);
    webhook.ends().await;
}
