//! `just mesh`: a real mesh on this machine, for as long as this runs.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gatepost_testbed::mesh::objects::GatewayPod;
use gatepost_testbed::mesh::{Mesh, address, inside};
use tokio::signal::unix::{SignalKind, signal};

/// Where the programs are built and Envoy is kept.
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");

/// The gateway of Istio's charts.
const GATEWAY: GatewayPod<'_> = GatewayPod {
    name: "istio-ingressgateway",
    namespace: "istio-system",
    labels: &[("app", "istio-ingressgateway"), ("istio", "ingressgateway")],
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    inside::enter()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // The init of a process namespace is ended only by signals that it handles.
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let mut mesh = Mesh::start(Path::new(TARGET))?;
    let gateway = mesh.gateway(&GATEWAY)?.address();
    let enter = script(&mesh)?;
    println!(
        "The mesh is up after {:.1} s, in a network of its own. Ctrl-C ends it.\n\n  \
         kube-apiserver        https://{}:6443\n  \
         istiod                {}\n  \
         {}  {gateway}, ports as the Gateway objects say\n  \
         logs                  {}\n\n\
         From another terminal:\n\n  \
         {enter} kubectl get pods --all-namespaces\n  \
         {enter} istioctl analyze --all-namespaces\n  \
         {enter} curl http://{gateway}:15021/healthz/ready",
        mesh.up_after().as_secs_f64(),
        address::HOST,
        address::ISTIOD,
        GATEWAY.name,
        mesh.folder().display(),
        enter = enter.display(),
    );
    runtime.block_on(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    });
    println!("ending");
    Ok(())
}

/// Writes a script that runs a command in the mesh's network, with `kubectl` and `istioctl`.
fn script(mesh: &Mesh) -> std::io::Result<PathBuf> {
    let path = mesh.folder().join("in-mesh");
    let user = if inside::is_user_namespace() { "--user --preserve-credentials " } else { "" };
    let text = format!(
        "#!/bin/sh\nexport KUBECONFIG={} PATH={}:$PATH\n\
         exec nsenter --target {} {user}--net --mount --wd=\"$PWD\" \"$@\"\n",
        mesh.kubeconfig().display(),
        mesh.programs().canonicalize()?.display(),
        inside::holder(),
    );
    std::fs::write(&path, text)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
