//! A registry on loopback that behaves as it is told: as a registry, or as badly as one can. It
//! knows no TLS, as a registry for tests does not. A test says by a function what happens to a
//! request; what the function leaves alone is answered by the specification.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use gatepost_render::image::Digest;

/// A request that arrived.
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether it is this method, and the path has this part.
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// What is sent back.
pub enum Reply {
    /// A status, header lines and a body.
    Status(u16, Vec<String>, Vec<u8>),
    /// Half of the body that the head promises.
    CutOff,
    /// A body without an end.
    Endless,
    /// Nothing, while the client waits.
    Silence,
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
}

/// A status and a text.
pub fn status(status: u16, text: &str) -> Option<Reply> {
    Some(Reply::Status(status, Vec::new(), text.into()))
}

/// A status with a header line and no text.
pub fn with_header(status: u16, line: &str) -> Option<Reply> {
    Some(Reply::Status(status, vec![line.to_owned()], Vec::new()))
}

/// Blobs and manifests, by their paths without the query.
type Content = Arc<Mutex<HashMap<String, (String, Vec<u8>)>>>;

/// A registry that listens until the test ends.
pub struct Registry {
    /// Its address.
    pub host: String,
    content: Content,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    /// Starts it. `rule` gives the reply to a request, or leaves it to the specification.
    pub fn start(rule: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let (content, asked) = (Content::default(), Arc::<Mutex<Vec<String>>>::default());
        let (of_thread, log) = (content.clone(), asked.clone());
        let rule = Arc::new(rule);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (content, log, rule) = (of_thread.clone(), log.clone(), rule.clone());
                thread::spawn(move || serve(connection, &*rule, &content, &log));
            }
        });
        Self { host, content, asked }
    }

    /// A registry that behaves.
    pub fn good() -> Self {
        Self::start(|_| None)
    }

    /// Puts content at a path, with its media type.
    pub fn put(&self, path: &str, kind: &str, bytes: &[u8]) {
        let content = (kind.to_owned(), bytes.to_vec());
        self.content.lock().expect("content").insert(path.to_owned(), content);
    }

    /// The methods and paths of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a log").clone()
    }
}

fn serve(
    mut stream: TcpStream,
    rule: &dyn Fn(&Request) -> Option<Reply>,
    content: &Content,
    log: &Mutex<Vec<String>>,
) {
    let Some(request) = read(&stream) else { return };
    log.lock().expect("a log").push(format!("{} {}", request.method, request.path));
    let reply = rule(&request).unwrap_or_else(|| answer(&request, content));
    // A client may leave early.
    let _ = match reply {
        Reply::Status(status, headers, body) => {
            send(&mut stream, &request, status, &headers, &body)
        }
        Reply::CutOff => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it")
        }
        Reply::Endless => endless(&mut stream),
        Reply::Raw(bytes) => stream.write_all(&bytes),
        // The client closes first.
        Reply::Silence => stream.read(&mut [0]).map(drop),
    };
}

/// A request, or nothing where a client speaks TLS.
fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Ok(0), |length| length.parse()).ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

fn send(
    stream: &mut TcpStream,
    request: &Request,
    status: u16,
    headers: &[String],
    body: &[u8],
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
    for line in headers {
        head += &format!("{line}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(if request.method == "HEAD" { &[] } else { body })
}

fn endless(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    loop {
        stream.write_all(b"1000\r\n")?;
        stream.write_all(&[b'x'; 0x1000])?;
        stream.write_all(b"\r\n")?;
    }
}

/// What the distribution specification says.
fn answer(request: &Request, content: &Content) -> Reply {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut content = content.lock().expect("content");
    match request.method.as_str() {
        "GET" if path == "/v2/" => Reply::Status(200, Vec::new(), b"{}".to_vec()),
        "POST" => Reply::Status(202, vec![format!("Location: {path}1")], Vec::new()),
        "PUT" if path.contains("/uploads/") => {
            let digest = query.replace("digest=", "").replace("%3A", ":");
            assert_eq!(Digest::of(&request.body).to_string(), digest);
            let folder = path.split("uploads/").next().unwrap_or_default();
            content.insert(format!("{folder}{digest}"), (String::new(), request.body.clone()));
            Reply::Status(201, Vec::new(), Vec::new())
        }
        "PUT" => {
            let manifest = (request.header("content-type").to_owned(), request.body.clone());
            let (folder, _) = path.rsplit_once('/').unwrap_or_default();
            let digest = Digest::of(&request.body);
            content.insert(format!("{folder}/{digest}"), manifest.clone());
            content.insert(path.to_owned(), manifest);
            Reply::Status(201, vec![format!("Docker-Content-Digest: {digest}")], Vec::new())
        }
        _ => match content.get(path) {
            Some((kind, bytes)) => {
                let digest = format!("Docker-Content-Digest: {}", Digest::of(bytes));
                let headers = vec![format!("Content-Type: {kind}"), digest];
                Reply::Status(200, headers, bytes.clone())
            }
            None => Reply::Status(404, Vec::new(), Vec::new()),
        },
    }
}
