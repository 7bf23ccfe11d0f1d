//! Chunk key encodings: a chunk's grid position as the last part of its key.
//!
//! Spec: <https://zarr-specs.readthedocs.io/en/latest/v3/chunk-key-encodings/index.html>

use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Default,
    V2,
    /// Like `V2`, for the coordinates in reverse: N5 counts axes from the other end.
    N5,
}

/// An array's key prefix, and how its chunks are named below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The array's path with a "/" at its end, or nothing for an array at the store's root.
    prefix: String,
    kind: KeyKind,
    separator: char,
}

impl Keys {
    pub fn new(path: &str, kind: KeyKind, separator: char) -> Self {
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        Keys {
            prefix,
            kind,
            separator,
        }
    }

    pub fn key(&self, coords: &[u64]) -> String {
        let mut key = String::with_capacity(self.prefix.len() + 2 + coords.len() * 4);
        key.push_str(&self.prefix);
        match self.kind {
            KeyKind::Default => key.push('c'),
            KeyKind::V2 | KeyKind::N5 if coords.is_empty() => key.push('0'),
            KeyKind::V2 | KeyKind::N5 => {}
        }
        for i in 0..coords.len() {
            if i > 0 || self.kind == KeyKind::Default {
                key.push(self.separator);
            }
            let at = if self.kind == KeyKind::N5 {
                coords.len() - 1 - i
            } else {
                i
            };
            if let Some(coord) = coords.get(at) {
                // Writing to a String cannot fail.
                let _ = write!(key, "{coord}");
            }
        }
        key
    }

    /// Whether chunks that differ in all but their last coordinate lie in different folders.
    pub fn has_folders(&self) -> bool {
        self.separator == '/'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_spec() {
        let key = |path, kind, separator, coords: &[u64]| Keys::new(path, kind, separator).key(coords);
        assert_eq!(key("", KeyKind::Default, '/', &[1, 23, 4]), "c/1/23/4");
        assert_eq!(key("a/b", KeyKind::Default, '.', &[1, 23]), "a/b/c.1.23");
        assert_eq!(key("a", KeyKind::Default, '/', &[]), "a/c");
        assert_eq!(key("", KeyKind::V2, '.', &[1, 0]), "1.0");
        assert_eq!(key("a", KeyKind::V2, '/', &[1, 0]), "a/1/0");
        assert_eq!(key("", KeyKind::V2, '.', &[]), "0");
        assert_eq!(key("a", KeyKind::N5, '/', &[1, 0, 23]), "a/23/0/1");
    }
}
