//! What becomes of the linked module: the build script prepares it, and a test prepares a second
//! build.

/// Drops the exports that no proxy needs, and then whatever nothing refers to any more. `exports`
/// are those that stay.
pub fn prepare(module: &[u8], exports: &[(&str, &str)]) -> Result<Vec<u8>, String> {
    let mut config = walrus::ModuleConfig::new();
    config.generate_name_section(false).generate_producers_section(false);
    let mut module =
        config.parse(module).map_err(|error| format!("the filter is no valid module: {error}"))?;
    let unused: Vec<_> = module
        .exports
        .iter()
        .filter(|export| !exports.iter().any(|(name, _)| *name == export.name))
        .map(walrus::Export::id)
        .collect();
    unused.into_iter().for_each(|export| module.exports.delete(export));
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}
