//! `gatepost package`: the module as an OCI image on disk.

use std::path::{Path, PathBuf};

use gatepost_render::image::{self, Image};

use super::exit::{CommandError, Exit};
use super::image::ContentArguments;
use super::output::print;

/// Write the filter as an OCI image, for skopeo, crane or oras
///
/// The image's digest is printed. The same module gives the same digest on every machine.
#[derive(clap::Args)]
pub struct Arguments {
    /// A file that ends in .tar, or a folder, which gets an OCI image layout
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[command(flatten)]
    content: ContentArguments,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let (image, _) = arguments.content.image()?;
    let path = &arguments.out;
    if path.extension().is_some_and(|extension| extension == "tar") {
        write(path, &image::tar(&image).map_err(CommandError::other)?)?;
    } else {
        write_folder(path, &image)?;
    }
    eprintln!("{}: an OCI image layout", path.display());
    print(&format!("{}\n", image.digest()))?;
    Ok(Exit::Success)
}

/// Writes the files of a layout. A layout that is there gets a new index; anything else that is
/// there stays, and is an error.
fn write_folder(folder: &Path, image: &Image) -> Result<(), CommandError> {
    let unwritable = |path: &Path, error| CommandError::Unwritable { path: path.to_owned(), error };
    let is_empty = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(unwritable(folder, error)),
    };
    if !is_empty && !folder.join("oci-layout").is_file() {
        let error = std::io::Error::other("the folder holds something else than an image layout");
        return Err(unwritable(folder, error));
    }
    for (name, bytes) in image::directory(image).map_err(CommandError::other)? {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| unwritable(parent, error))?;
        }
        write(&path, &bytes)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    std::fs::write(path, bytes)
        .map_err(|error| CommandError::Unwritable { path: path.to_owned(), error })
}
