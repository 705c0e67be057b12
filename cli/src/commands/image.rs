//! What the commands for images have in common: which module, which layout, and how a registry is
//! spoken with.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_render::image::{Image, LARGEST_MODULE, Layout, check_module};
use gatepost_render::registry::{
    Access, Credentials, Options, Pulled, Reference, Registry, RegistryError,
};

use super::arguments::read_policy;
use super::exit::{CommandError, Exit};
use super::output::print;

/// The bytes of a module.
type Module = Cow<'static, [u8]>;

#[derive(clap::Args)]
pub struct ModuleArguments {
    /// Another module than the filter: anyone's, for any proxy
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
}

impl ModuleArguments {
    pub fn read(&self) -> Result<Module, CommandError> {
        let Some(path) = &self.wasm else { return Ok(gatepost_filter_wasm::MODULE.into()) };
        let failed = |error| CommandError::Unreadable { path: path.clone(), error };
        let mut module = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(LARGEST_MODULE + 1).read_to_end(&mut module).map_err(failed)?;
        check_module(&module).map_err(|error| failed(std::io::Error::other(error)))?;
        Ok(module.into())
    }
}

#[derive(clap::Args)]
pub struct ContentArguments {
    #[command(flatten)]
    module: ModuleArguments,
    /// What the image looks like; Istio's agent reads both
    #[arg(long, value_enum, default_value_t)]
    layout: LayoutName,
    /// This policy as the file plugin.config, and no module: for a load balancer of Google Cloud
    /// (`pluginConfigURI`)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["wasm", "layout"])]
    policy: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum LayoutName {
    /// A container image with the file plugin.wasm: every registry takes it, and Kubernetes can
    /// mount it
    #[default]
    Compat,
    /// An OCI artifact with media types of its own
    Artifact,
}

impl ContentArguments {
    /// The image, and the module in it. An image of a policy has none.
    pub fn image(&self) -> Result<(Image, Option<Module>), CommandError> {
        if let Some(policy) = &self.policy {
            let policy = read_policy(policy)?;
            let image = Image::of_policy(&policy.json).map_err(CommandError::other)?;
            return Ok((image, None));
        }
        let layout = match self.layout {
            LayoutName::Compat => Layout::Compat,
            LayoutName::Artifact => Layout::Artifact,
        };
        let module = self.module.read()?;
        let image = Image::of(&module, layout).map_err(CommandError::other)?;
        Ok((image, Some(module)))
    }
}

const DEFAULT_TIMEOUT: NonZeroU64 = NonZeroU64::new(60).unwrap();

#[derive(clap::Args)]
pub struct RegistryArguments {
    /// Accept plain HTTP, and certificates that are not trusted; on this machine plain HTTP always
    /// is
    #[arg(long)]
    insecure: bool,
    /// How long one answer of the registry may take
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TIMEOUT)]
    timeout: NonZeroU64,
}

impl RegistryArguments {
    pub fn connect(&self, to: &Reference, access: Access) -> Result<Registry, CommandError> {
        let options = Options {
            insecure: self.insecure,
            timeout: Duration::from_secs(self.timeout.get()),
            notice: |text| eprintln!("{text}"),
        };
        let credentials = Credentials::of_docker(to.host()).map_err(CommandError::other)?;
        Registry::connect(to, access, credentials, &options).map_err(CommandError::other)
    }
}

/// Reads an image as Istio's agent does, compares it, and prints the name for a plugin's `url`.
pub fn verify(
    registry: &Registry,
    reference: &Reference,
    module: &[u8],
) -> Result<Exit, CommandError> {
    let pulled = match registry.pull(reference) {
        Ok(pulled) => pulled,
        // What the registry holds is read, and of no use to the agent.
        Err(error @ RegistryError::NoModule { .. }) => {
            return Err(CommandError::Findings(error.to_string()));
        }
        Err(error) => return Err(CommandError::other(error)),
    };
    if let Some(difference) = difference(&pulled, module) {
        return Err(CommandError::Findings(format!("{reference}: {difference}")));
    }
    eprintln!(
        "{reference}: Istio's agent extracts this module, {} bytes, by the layout {}",
        module.len(),
        pulled.layout.name()
    );
    warn(registry);
    print(&format!("{}\n", reference.pinned(pulled.digest)))?;
    Ok(Exit::Success)
}

fn difference(pulled: &Pulled, module: &[u8]) -> Option<String> {
    use gatepost_render::image::Digest;
    (pulled.module != module).then(|| {
        format!(
            "Istio's agent extracts another module: {} bytes, {}. This one has {} bytes, {}",
            pulled.module.len(),
            Digest::of(&pulled.module),
            module.len(),
            Digest::of(module)
        )
    })
}

/// What a gateway needs beyond what this command needed.
fn warn(registry: &Registry) {
    if let Some(why) = registry.agent_refuses() {
        eprintln!(
            "warning: Istio's agent cannot read this registry: {why}, and the agent wants the URL \
             of a public host there"
        );
    }
    if registry.used_credentials() {
        eprintln!(
            "warning: the image was read with credentials: unless everybody may read it, name a \
             Secret in the plugin's imagePullSecret. Istio's agent asks no cloud for credentials"
        );
    }
}
