//! The routes of mapped hosts.

use super::{Output, Routes};
use crate::RenderError;

impl Routes<'_> {
    pub(super) fn mapped(&self, output: &mut Output) -> Result<(), RenderError> {
        for text in &self.results.mapped {
            let pattern = text.pattern();
            if text.literal().is_some() {
                self.add_authority(output, &pattern, "A mapped host.")?;
                continue;
            }
            let known = self.backends.known(&pattern);
            if known.is_empty() {
                output.notes.push(format!(
                    "mappings write authorities like {pattern}, and no Service with such a host \
                     is known: give the cluster's --manifests, or name them in --services"
                ));
            }
            let about = format!("A host that mappings write: {pattern}.");
            for authority in known {
                self.add_authority(output, &authority, &about)?;
            }
        }
        Ok(())
    }
}
