//! `gatepost push`: the module as an OCI image in a registry.

use gatepost_render::registry::{Access, Moved, Reference};

use super::exit::{CommandError, Exit};
use super::image::{ContentArguments, RegistryArguments, verify};
use super::output::print;

/// Push the filter to a registry, as an image that Istio's agent reads
///
/// The name for a plugin's `url` is printed, with the digest. Credentials are those of `docker
/// login`.
#[derive(clap::Args)]
pub struct Arguments {
    /// HOST/REPOSITORY:TAG; a tag that exists names this image afterwards
    reference: Reference,
    /// Read the image back as Istio's agent does, and compare it
    #[arg(long, conflicts_with = "policy")]
    verify: bool,
    #[command(flatten)]
    content: ContentArguments,
    #[command(flatten)]
    registry: RegistryArguments,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let reference = &arguments.reference;
    if reference.digest().is_some() {
        let why = format!("{reference}: a digest follows from the image: name a tag to push to");
        return Err(CommandError::Other(why.into()));
    }
    let (image, module) = arguments.content.image()?;
    let registry = arguments.registry.connect(reference, Access::Push)?;
    let pushed = registry.push(reference, &image).map_err(CommandError::other)?;
    let digest = image.digest();
    match pushed.tag {
        Moved::New => eprintln!("{reference}: pushed"),
        Moved::Same => eprintln!("{reference}: was this image already"),
        Moved::From(Some(before)) => {
            eprintln!("{reference}: pushed. The tag named another image: {before}");
        }
        Moved::From(None) => eprintln!("{reference}: pushed. The tag named another image"),
    }
    if let (true, Some(module)) = (arguments.verify, module) {
        return verify(&registry, &reference.at(digest), &module);
    }
    print(&format!("{}\n", reference.pinned(digest)))?;
    Ok(Exit::Success)
}
