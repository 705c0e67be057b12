//! Writes the seeds of the fuzz targets into `FOLDER/TARGET/`: the inputs that a coverage-guided
//! search begins with.

use std::fs;
use std::path::Path;

use gatepost_invariants_wasm::seeds;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).expect("a folder");
    for (target, inputs) in seeds::all() {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        for (number, input) in inputs.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), input)?;
        }
    }
    Ok(())
}
