//! `gatepost verify`: what Istio's agent would make of an image.

use gatepost_render::registry::{Access, Reference};

use super::exit::{CommandError, Exit};
use super::image::{ModuleArguments, RegistryArguments, verify};

/// Read an image as Istio's agent does, and compare it with the filter
///
/// An image that the agent cannot read costs a gateway its filter: it answers 403 to every request.
/// So check it before a plugin names it.
#[derive(clap::Args)]
pub struct Arguments {
    /// HOST/REPOSITORY:TAG or HOST/REPOSITORY@sha256:DIGEST
    reference: Reference,
    #[command(flatten)]
    module: ModuleArguments,
    #[command(flatten)]
    registry: RegistryArguments,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let module = arguments.module.read()?;
    let registry = arguments.registry.connect(&arguments.reference, Access::Pull)?;
    verify(&registry, &arguments.reference, &module)
}
