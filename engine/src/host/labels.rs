//! The labels of a host by their position, for patterns to compare and captures to take.

/// The labels of a host, counted from the right.
#[derive(Debug)]
pub(crate) struct Labels<'h> {
    host: &'h [u8],
    /// Where each label begins; a host of 253 bytes has at most 127 labels, and every offset fits a
    /// byte.
    starts: [u8; 128],
    count: u8,
}

impl<'h> Labels<'h> {
    /// The labels of a canonical host.
    pub fn of(host: &'h [u8]) -> Self {
        let mut labels = Self { host, starts: [0; 128], count: 0 };
        for (position, byte) in host.iter().enumerate().rev() {
            if *byte == b'.' {
                labels.push(position.saturating_add(1));
            }
        }
        labels.push(0);
        labels
    }

    fn push(&mut self, start: usize) {
        if let (Some(slot), Ok(start)) =
            (self.starts.get_mut(usize::from(self.count)), u8::try_from(start))
        {
            *slot = start;
            self.count = self.count.saturating_add(1);
        }
    }

    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// The label at a position from the right.
    pub fn get(&self, position: u8) -> Option<&'h [u8]> {
        if position >= self.count {
            return None;
        }
        let start = usize::from(*self.starts.get(usize::from(position))?);
        let end = match position.checked_sub(1) {
            Some(right) => usize::from(*self.starts.get(usize::from(right))?).checked_sub(1)?,
            None => self.host.len(),
        };
        self.host.get(start..end)
    }

    /// The host without the label at a position from the right.
    pub fn without(&self, position: u8) -> Vec<u8> {
        let mut host = Vec::with_capacity(self.host.len());
        for label in
            (0..self.count).rev().filter(|at| *at != position).filter_map(|at| self.get(at))
        {
            if !host.is_empty() {
                host.push(b'.');
            }
            host.extend_from_slice(label);
        }
        host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_loses_one_label() {
        let labels = Labels::of(b"env1.dev.example.com");
        assert_eq!(labels.get(3), Some(&b"env1"[..]));
        assert_eq!(labels.get(4), None);
        assert_eq!(labels.without(3), b"dev.example.com");
        assert_eq!(labels.without(1), b"env1.dev.com");
    }

    #[test]
    fn the_most_labels_that_a_host_can_have_are_all_found() {
        let host = ["a"; 127].join(".");
        let labels = Labels::of(host.as_bytes());
        assert_eq!((host.len(), labels.len()), (253, 127));
        assert_eq!((labels.get(126), labels.get(127)), (Some(&b"a"[..]), None));
    }
}
