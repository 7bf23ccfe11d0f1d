//! Local files: a key is a path below the root, a value a regular file, a put a new file renamed over the old one.
//!
//! `read.rs` opens values and fetches ranges, `write.rs` makes the new file. Here is what a key may be, and where it
//! lies. Symbolic links inside the root are followed on reads; a put or delete replaces or removes the link itself.

pub mod lock;
mod read;
mod write;

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use super::{ByteRange, Found, Handle, KeyLocks, Part, Store};
use crate::error::{Error, Kind, Result};

use lock::{LOCK_NAME, LockFile};
use read::OpenFile;

/// Temporary files begin and end like this; listings leave them out.
pub const PARTIAL_PREFIX: &str = ".zarrpipe-";
pub const PARTIAL_SUFFIX: &str = ".partial";

/// One pread of the gap costs less than a second call.
const MERGE_GAP_NBYTES: u64 = 4096;
/// Temporary files untouched for this long belong to no living writer.
const STALE_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// What sweeping may cost a store: folders remembered, and entries looked at in each.
const SWEPT_FOLDERS: usize = 4096;
const SWEPT_ENTRIES: usize = 10_000;

/// How far a put goes before it returns: a crash of the machine is meant, not of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// The system writes back when it likes.
    #[default]
    None,
    /// The new bytes are on disk before the rename: old value or new, never a hole.
    Data,
    /// The rename is on disk too: what was put stays.
    Full,
}

/// What a cache may compare to see whether a file is still the one that it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileVersion {
    pub device: u64,
    pub inode: u64,
    pub nbytes: u64,
    pub mtime_ns: i128,
    pub ctime_ns: i128,
}

/// The version of the value that a read left in its handle; `None` where the platform tells files apart by name only.
pub fn version(handle: &Handle) -> Option<FileVersion> {
    handle.downcast_ref::<OpenFile>()?.version()
}

/// A directory tree of values.
pub struct FileStore {
    identity: String,
    /// Absolute, links resolved, with a separator at its end, so that a key's path is one concatenation.
    root: OsString,
    fsync: Fsync,
    read_only: bool,
    /// Tells our temporary files from those of a process with our pid on another host of a shared file system.
    tag: u64,
}

/// Folders that this process has looked through for stale temporary files.
static SWEPT: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);

impl FileStore {
    /// A store over `root`, which need not exist: the first put makes it.
    pub fn new(root: PathBuf, fsync: Fsync, read_only: bool) -> Result<Self> {
        let root = resolve(&root).map_err(|source| failed("find", &root, &source))?;
        if root.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(Error::store(format!("the path {} holds a NUL", root.display())));
        }
        let identity = match root.to_str() {
            Some(text) => format!("file:{text}"),
            None => format!("file:{}", root.as_os_str().as_encoded_bytes().escape_ascii()),
        };
        Ok(FileStore {
            identity,
            root: root.join("").into_os_string(),
            fsync,
            read_only,
            tag: write::random(),
        })
    }

    fn path(&self, key: &str) -> Result<PathBuf> {
        check_key(key)?;
        Ok(self.path_unchecked(key))
    }

    fn path_unchecked(&self, key: &str) -> PathBuf {
        let mut path = OsString::with_capacity(self.root.len() + key.len());
        path.push(&self.root);
        if cfg!(windows) {
            // A canonical path of Windows (\\?\...) takes no forward slashes.
            path.push(key.replace('/', "\\"));
        } else {
            path.push(key);
        }
        PathBuf::from(path)
    }

    fn check_writable(&self, action: &str, key: &str) -> Result<()> {
        if self.read_only {
            return Err(Error::new(
                Kind::ReadOnly,
                format!("cannot {action} {key:?}: the store is read-only"),
            ));
        }
        Ok(())
    }
}

impl Store for FileStore {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn read(&self, key: &str, ranges: &[ByteRange], handle: &mut Option<Handle>) -> Result<Option<Found>> {
        let open: &Handle = match handle {
            Some(open) => open,
            None => match OpenFile::open(self.path(key)?)? {
                Some(file) => handle.insert(Arc::new(file)),
                None => return Ok(None),
            },
        };
        let file = open
            .downcast_ref::<OpenFile>()
            .ok_or_else(|| Error::internal("the handle is of another store"))?;
        let parts = file.read(ranges)?;
        Ok(Some(Found {
            parts,
            value_nbytes: Some(file.nbytes()),
        }))
    }

    fn put(&self, key: &str, parts: &[Part], handle: Option<&Handle>) -> Result<()> {
        self.check_writable("write", key)?;
        let path = self.path(key)?;
        let old = handle.and_then(|handle| handle.downcast_ref::<OpenFile>());
        write::replace(&path, parts, old, self.fsync, self.tag)?;
        if let Some(folder) = path.parent()
            && wants_sweep(folder)
        {
            sweep_stale(folder, STALE_AFTER);
        }
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.check_writable("delete", key)?;
        let path = self.path(key)?;
        match fs::remove_file(&path) {
            Ok(()) if self.fsync == Fsync::Full => write::sync_parent(&path),
            Ok(()) => Ok(()),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(write_failed("delete", &path, &source)),
        }
    }

    fn merge_gap(&self) -> u64 {
        MERGE_GAP_NBYTES
    }

    fn key_locks(&self, path: &str) -> Option<Arc<dyn KeyLocks>> {
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        Some(Arc::new(LockFile::new(self.path_unchecked(path), prefix)))
    }

    fn prepare(&self, folders: &mut dyn Iterator<Item = String>) -> Result<()> {
        let mut last = String::new();
        for folder in folders {
            if !last.is_empty() && last == folder {
                continue;
            }
            self.check_writable("make folder", &folder)?;
            if !folder.is_empty() {
                check_key(&folder)?;
            }
            let path = self.path_unchecked(&folder);
            let made =
                write::make_folders(&path, self.fsync).map_err(|source| write_failed("make folder", &path, &source))?;
            if made {
                // New, so there is nothing to sweep in it.
                wants_sweep(&path);
            }
            last = folder;
        }
        Ok(())
    }
}

/// Whether nobody has looked through the folder yet: the first put into it does, which costs about as much as a few
/// puts. The set is bounded, and reached without waiting: a lock that is held at a fork stays held in the child.
fn wants_sweep(folder: &Path) -> bool {
    match SWEPT.try_lock() {
        Ok(mut swept) => swept.len() < SWEPT_FOLDERS && !swept.contains(folder) && swept.insert(folder.to_owned()),
        Err(_) => false,
    }
}

/// Removes temporary files in `dir` (not below) that were last written longer ago than `older_than`.
///
/// Best effort: what cannot be listed or removed stays, and of a folder with very many entries only some are seen.
pub fn sweep_stale(dir: &Path, older_than: Duration) {
    let Some(before) = SystemTime::now().checked_sub(older_than) else {
        return;
    };
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.take(SWEPT_ENTRIES).flatten() {
        if !entry.file_name().to_str().is_some_and(is_partial) {
            continue;
        }
        let stale = |meta: fs::Metadata| meta.is_file() && meta.modified().is_ok_and(|modified| modified < before);
        if entry.metadata().is_ok_and(stale) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_partial(name: &str) -> bool {
    name.starts_with(PARTIAL_PREFIX) && name.ends_with(PARTIAL_SUFFIX)
}

/// Whether a file is the store's own, and no value.
fn is_ours(name: &str) -> bool {
    is_partial(name) || name == LOCK_NAME
}

/// Whether a key names a place below the root on every platform that we run on.
fn check_key(key: &str) -> Result<()> {
    let why = if key.as_bytes().contains(&0) {
        "holds a NUL"
    } else if key.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        "is empty, absolute, or has a segment that is empty, '.' or '..'"
    } else if cfg!(windows) && key.contains(['\\', ':']) {
        "holds a character that Windows reads as part of a path"
    } else if key.contains(PARTIAL_PREFIX) && is_ours(key.rsplit('/').next().unwrap_or(key)) {
        // It would be hidden from listings, and a temporary file swept after a day.
        "is the name of a temporary file or of a lock file"
    } else {
        return Ok(());
    };
    Err(Error::store(format!("key {key:?} {why}")))
}

/// The absolute path with symbolic links resolved as far as it exists.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let parts: Vec<Component<'_>> = path.components().collect();
    for n in (1..=parts.len()).rev() {
        let Ok(mut real) = fs::canonicalize(parts[..n].iter().collect::<PathBuf>()) else {
            continue;
        };
        for part in &parts[n..] {
            // What does not exist has no links, so its ".." can be taken by the letter.
            match part {
                Component::ParentDir => drop(real.pop()),
                part => real.push(part),
            }
        }
        return Ok(real);
    }
    Ok(path)
}

fn failed(action: &str, path: &Path, source: &io::Error) -> Error {
    Error::io(&format!("{action} {}", path.display()), source)
}

fn write_failed(action: &str, path: &Path, source: &io::Error) -> Error {
    Error::io_write(&format!("{action} {}", path.display()), source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_below_the_root() {
        for key in ["c/0/0", "zarr.json", "a b", "..a", "a..", "ä/ö", ".zarrpipe-x"] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        for key in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/..",
            "./a",
            "a\0b",
            "x/.zarrpipe-1.partial",
            "x/.zarrpipe-lock",
        ] {
            assert_eq!(check_key(key).unwrap_err().kind(), Kind::Store, "{key}");
        }
    }

    #[test]
    fn sweeping_is_remembered_and_bounded() {
        assert!(wants_sweep(Path::new("/a")));
        assert!(!wants_sweep(Path::new("/a")));
        let taken = (0..2 * SWEPT_FOLDERS)
            .filter(|i| wants_sweep(Path::new(&format!("/f{i}"))))
            .count();
        assert!(taken < SWEPT_FOLDERS);
    }
}
