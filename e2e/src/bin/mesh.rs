//! `just mesh [SCENARIO [FORM]]`: a real mesh on this machine, for as long as this runs. What a
//! user applies in it runs, and what a user deletes ends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use gatepost_e2e::command;
use gatepost_e2e::exit_code;
use gatepost_e2e::in_mesh::TARGET;
use gatepost_e2e::scenario;
use gatepost_testbed::mesh::{self, Mesh, address, inside};
use tokio::signal::unix::{SignalKind, signal};

/// Where the scenarios are.
const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");

/// How often the objects are looked at. A kubelet is told of changes; here nobody waits for less.
const EVERY: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    command::called().unwrap_or_else(|| exit_code(run()))
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let scenario = match arguments.next() {
        None => None,
        Some(name) => {
            let form = arguments.next().unwrap_or_else(|| scenario::TODAY.to_owned());
            Some(scenario::folder(Path::new(DEPLOY), &name, &form)?)
        }
    };
    mesh::enter(Path::new(TARGET))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // The init of a process namespace is ended only by signals that it handles.
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let mut mesh = Mesh::start(Path::new(TARGET))?;
    if let Some(folder) = &scenario {
        print!("{}", scenario::apply(&mut mesh, Path::new(DEPLOY), folder)?);
    }
    if mesh.pods("istio=ingressgateway")?.is_empty() {
        mesh.apply_gateway()?;
        mesh.converge()?;
    }
    let enter = script(&mesh)?;
    println!(
        "The mesh is up after {:.1} s, in a network of its own. Ctrl-C ends it.\n\n  \
         {:<54}https://{}:6443",
        mesh.up_after().as_secs_f64(),
        "kube-apiserver",
        address::HOST,
    );
    for pod in mesh.pods("")? {
        println!("  {:<54}{}", format!("{}/{}", pod.namespace, pod.name), pod.address);
    }
    let gateway = mesh.pods("istio=ingressgateway")?;
    let gateway = gateway.first().map_or(address::HOST, |pod| pod.address);
    println!(
        "  {:<54}{}\n\nFrom another terminal:\n\n  \
         {enter} kubectl get pods,services,gateways.networking.istio.io --all-namespaces\n  \
         {enter} istioctl analyze --all-namespaces\n  \
         {enter} curl http://{gateway}:15021/healthz/ready",
        "logs",
        mesh.folder().display(),
        enter = enter.display(),
    );
    let smoke = scenario.as_ref().and_then(|folder| folder.parent());
    if let Some(smoke) = smoke.map(|folder| folder.join("smoke.sh")).filter(|path| path.is_file()) {
        println!("  {} {}", enter.display(), smoke.display());
    }
    let mut said = String::new();
    loop {
        let ended = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => true,
                _ = terminate.recv() => true,
                () = tokio::time::sleep(EVERY) => false,
            }
        });
        if ended {
            println!("ending");
            return Ok(());
        }
        // A pod that cannot run is no end: its user mends it. The same is said once.
        match mesh.step() {
            Ok(_) => said.clear(),
            Err(error) if error.to_string() == said => {}
            Err(error) => {
                said = error.to_string();
                eprintln!("{said}");
            }
        }
    }
}

/// Writes a script that runs a command in the mesh's network, with the mesh's programs.
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
