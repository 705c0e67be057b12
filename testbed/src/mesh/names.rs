//! The names of Services. No DNS server runs here: the hosts file of the mesh, which all pods
//! share, has the address of each Service, or the pods behind one that has none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use kube::ResourceExt;

use super::cluster::Cluster;
use super::error::MeshError;
use super::inside::run;
use super::process::write;

/// Where programs look for it.
pub(super) const PATH: &str = "/etc/hosts";

/// The hosts file of the mesh.
#[derive(Debug)]
pub(super) struct Hosts {
    path: PathBuf,
    text: String,
}

impl Hosts {
    /// Puts one below `folder` in place of the system's.
    pub fn new(folder: &Path) -> Result<Self, MeshError> {
        let (path, text) = (folder.join("hosts"), hosts(&Cluster::default()));
        write(&path, &text)?;
        run("mount", &["--bind", &path.to_string_lossy(), PATH])?;
        Ok(Self { path, text })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the names of the cluster's Services.
    pub fn update(&mut self, cluster: &Cluster) -> Result<(), MeshError> {
        let text = hosts(cluster);
        if text != self.text {
            write(&self.path, &text)?;
            self.text = text;
        }
        Ok(())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // The next mesh of this process mounts its own. An error means that nothing is mounted.
        let _ = run("umount", &["--lazy", PATH]);
    }
}

/// The text of the file.
fn hosts(cluster: &Cluster) -> String {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut aliases = Vec::new();
    for service in &cluster.services {
        let namespace = service.namespace().unwrap_or_default();
        let name = format!("{}.{namespace}.svc.cluster.local", service.name_any());
        let Some(spec) = &service.spec else { continue };
        match (&spec.external_name, spec.cluster_ip.as_deref()) {
            (Some(alias), _) => aliases.push((name, alias)),
            (None, Some(address)) if address.parse::<IpAddr>().is_ok() => {
                names.insert(name, vec![address.to_owned()]);
            }
            (None, _) => drop(names.insert(name, cluster.endpoints(service).collect())),
        }
    }
    for (name, alias) in aliases {
        let addresses = names.get(alias).cloned().unwrap_or_default();
        names.insert(name, addresses);
    }
    let mut text = "127.0.0.1 localhost\n".to_owned();
    for (name, addresses) in names {
        let svc = name.trim_end_matches(".cluster.local");
        let short = svc.trim_end_matches(".svc");
        for address in addresses {
            // A String takes every write.
            let _ = writeln!(text, "{address} {name} {svc} {short}");
        }
    }
    text
}
