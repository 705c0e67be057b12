//! A pod that runs: its namespaces, volumes and containers.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Pod as Object, VolumeMount};
use kube::{Client, ResourceExt};

use super::super::pod::{Mount, Pod};
use super::container::Container;
use super::error::PodError;
use super::lookup::Lookup;
use super::volume::Volume;

/// A running pod. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    namespace: String,
    name: String,
    // Dropped, and so ended, in this order. With the pod's init the kernel ends all its processes,
    // and waits until the parent of each has seen it: those parents are the containers'.
    pod: Pod,
    containers: Vec<Container>,
    volumes: Vec<Volume>,
    folder: PathBuf,
    /// Until when a deleted pod may go on.
    ends_at: Option<Instant>,
}

impl Running {
    pub async fn start(
        client: &Client,
        object: &Object,
        address: Ipv4Addr,
        lookup: &Lookup<'_>,
        folder: &Path,
        system: &[Mount],
    ) -> Result<Self, PodError> {
        let spec = object.spec.clone().unwrap_or_default();
        let (namespace, name) = (lookup.namespace.to_owned(), object.name_any());
        // An attempt that failed has left some.
        let parent = folder.join("volumes");
        let _ = std::fs::remove_dir_all(&parent);
        let mut volumes = Vec::new();
        for volume in spec.volumes.iter().flatten() {
            let mut volume = Volume::new(volume, &parent)?;
            volume.refresh(client, object, lookup).await?;
            volumes.push(volume);
        }
        let mut mounts = system.to_vec();
        for container in &spec.containers {
            for mount in container.volume_mounts.iter().flatten() {
                mounts.push(mounted(mount, &container.name, &volumes)?);
            }
        }
        let pod = Pod::new(&name, address, folder, &mounts)?;
        let mut containers = Vec::new();
        for container in &spec.containers {
            containers.push(Container::start(container, object, &pod, lookup, folder).await?);
        }
        let folder = folder.to_owned();
        Ok(Self { namespace, name, pod, containers, volumes, folder, ends_at: None })
    }

    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// What its containers printed.
    pub fn log(&self) -> String {
        self.containers.iter().map(Container::log).collect()
    }

    /// Asks the containers of a deleted pod to end, once. Whether they have ended, or their grace
    /// is over.
    pub fn has_ended(&mut self, grace: Duration) -> bool {
        let Some(ends_at) = self.ends_at else {
            self.ends_at = Some(Instant::now() + grace);
            self.containers.iter().for_each(Container::terminate);
            return grace.is_zero();
        };
        let mut containers = self.containers.iter_mut();
        Instant::now() >= ends_at || containers.all(|container| !container.runs())
    }

    /// Whether all readiness probes pass.
    pub fn is_ready(&self) -> bool {
        self.containers.iter().all(|container| container.is_ready(&self.pod))
    }

    /// Brings its volumes up to date, and starts containers again that ended by themselves. Those
    /// are an error as well, with the end of the log.
    pub async fn sync(
        &mut self,
        client: &Client,
        object: &Object,
        lookup: &Lookup<'_>,
    ) -> Result<(), PodError> {
        for volume in &mut self.volumes {
            volume.refresh(client, object, lookup).await?;
        }
        let mut ended = None;
        for container in &mut self.containers {
            let Some(error) = container.ended() else { continue };
            let specification = container.specification().clone();
            let again =
                Container::start(&specification, object, &self.pod, lookup, &self.folder).await;
            *container = again?;
            ended = Some(error);
        }
        ended.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// Where a volume is mounted.
fn mounted(mount: &VolumeMount, container: &str, volumes: &[Volume]) -> Result<Mount, PodError> {
    let volume = volumes.iter().find(|volume| volume.name() == mount.name);
    let volume = volume.ok_or_else(|| PodError::Mount {
        container: container.to_owned(),
        volume: mount.name.clone(),
    })?;
    let from = mount.sub_path.as_ref().map_or(volume.folder().to_owned(), |path| {
        // Through the links, as a kubelet does it: such a mount sees no updates.
        let path = volume.folder().join(path);
        path.canonicalize().unwrap_or(path)
    });
    Ok((from, Path::new(mount.mount_path.trim_end_matches('/')).to_owned()))
}
