//! What a command reads from standard input, for a path or a URL `-`.

use std::io::Read as _;

/// Why standard input cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It cannot be read, or is no text.
    #[error("standard input: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It does not end.
    #[error("standard input has more than {} MiB", .0 >> 20)]
    TooLong(u64),
}

/// All of standard input, which may have so many bytes.
pub fn standard_input(limit: u64) -> Result<String, InputError> {
    let mut text = String::new();
    std::io::stdin().take(limit.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() as u64 > limit { Err(InputError::TooLong(limit)) } else { Ok(text) }
}
