//! `gatepost admission`: the validating webhook.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatepost_admission::{CONTENT_TYPE, Certificate, Judge, Ours, Server, Stats};
use gatepost_gateway::{Admin, Page};

use super::arguments::address;
use super::exit::{CommandError, Exit};
use super::service;
use super::service::signal::stop_signal;
use super::service::watch::FileWatch;

/// Refuse bad policies at `kubectl apply`, as a validating webhook
///
/// Answers an API server's reviews at `/validate`, over TLS. A WasmPlugin, TrafficExtension,
/// EnvoyFilter or ConfigMap whose policy the filter would refuse is denied with every error; what
/// its author should know is a warning. Other objects pass. deploy/admission installs it.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where API servers connect; port 0 takes a free one, which is printed at the start
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        value_parser = address,
        default_value = "127.0.0.1:8443"
    )]
    listen: SocketAddr,
    /// The certificate in PEM, and those that signed it. Read again when it changes
    #[arg(long, value_name = "FILE")]
    tls_cert: PathBuf,
    /// Its private key in PEM. Read again when it changes
    #[arg(long, value_name = "FILE")]
    tls_key: PathBuf,
    /// Where to serve `/livez`, `/readyz` and `/metrics`, without TLS
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    admin: Option<SocketAddr>,
    /// A module that is Gatepost's filter: its plugins must have a policy. An image without tag and
    /// digest stands for all its versions
    #[arg(long = "url", value_name = "URL", num_args = 1..)]
    urls: Vec<String>,
    /// The SHA-256 digest of a module or an image that is Gatepost's filter
    #[arg(long = "digest", value_name = "DIGEST", num_args = 1..)]
    digests: Vec<String>,
    /// The name of a plugin that is Gatepost's filter: NAMESPACE.NAME of its object, or
    /// `pluginName`
    #[arg(long = "plugin-name", value_name = "NAME", num_args = 1..)]
    names: Vec<String>,
}

pub fn run(arguments: Arguments) -> Result<Exit, CommandError> {
    service::run(async |_| serve(arguments).await)
}

async fn serve(arguments: Arguments) -> Result<Exit, CommandError> {
    let Arguments { listen, tls_cert, tls_key, admin, urls, digests, names } = arguments;
    let stats = Stats::default();
    // Before the first reading, so that no change is missed.
    let watched = [&tls_cert, &tls_key].map(|path| FileWatch::start(path));
    let certificate = Certificate::read(&tls_cert, &tls_key).map_err(CommandError::other)?;
    stats.certificate(true);
    let judge = Judge::new(Ours::new(&urls, &digests, &names));
    let server = Server::bind(listen, judge, certificate.clone(), stats.clone()).await;
    let server = server.map_err(|error| CommandError::Listen { address: listen, error })?;
    let is_ending = Arc::new(AtomicBool::new(false));
    if let Some(address) = admin {
        let admin = Admin::bind(address).await;
        let admin = admin.map_err(|error| CommandError::Listen { address, error })?;
        log::info!("statistics on http://{}/metrics", admin.local_addr());
        let (is_ending, stats) = (Arc::clone(&is_ending), stats.clone());
        tokio::spawn(admin.run(move |path| page(path, &stats, &is_ending)));
    }
    for watch in watched {
        let followed = watch.map_err(CommandError::other).and_then(|watch| {
            follow(watch, certificate.clone(), stats.clone()).map_err(CommandError::other)
        });
        if let Err(error) = followed {
            log::error!("the certificate is not watched, so a change needs a restart: {error}");
        }
    }
    log::info!("judging reviews on https://{}/validate", server.local_addr());
    server.run(stop_signal(&is_ending)).await;
    Ok(Exit::Success)
}

/// Reads the certificate again whenever one of its files changes.
fn follow(mut watch: FileWatch, certificate: Certificate, stats: Stats) -> std::io::Result<()> {
    let following = move || {
        loop {
            // Both files are read: those of a Secret change at once.
            match watch.next(|_: &Path| certificate.read_again()) {
                Ok(()) => {
                    stats.certificate(true);
                    log::info!("the new certificate is in use");
                }
                Err(error) => {
                    stats.certificate(false);
                    log::error!("{error}; the certificate that was in use stays in use");
                }
            }
        }
    };
    std::thread::Builder::new().name("certificate".to_owned()).spawn(following).map(drop)
}

fn page(path: &str, stats: &Stats, is_ending: &AtomicBool) -> Option<Page> {
    let text = "text/plain; charset=utf-8";
    let page = |status, content_type, body| Some(Page { status, content_type, body });
    match path {
        // One without a usable certificate does not start, so it is ready until it ends.
        "/readyz" if is_ending.load(Ordering::Relaxed) => page(503, text, "ending\n".to_owned()),
        "/readyz" | "/livez" => page(200, text, "ok\n".to_owned()),
        "/metrics" => page(200, CONTENT_TYPE, stats.text()),
        _ => None,
    }
}
