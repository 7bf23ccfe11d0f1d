//! Locks between processes: a byte of a file beside an array's document, for each of its keys.
//!
//! The kernel frees such a lock when the process that holds it ends, however it ends; the file stays, empty, and means
//! nothing by itself. Each acquisition opens the file anew, for locks belong to the open file description: so two
//! threads exclude one another as two processes do, and handles over different roots of one folder meet.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::store::{KeyLocks, Locked};

/// The name of the lock file in the array's folder. Listings leave it out.
pub const LOCK_NAME: &str = ".zarrpipe-lock";

/// How often a lock file that is replaced under us is opened again.
const MAX_ATTEMPTS: usize = 64;

/// The lock file of an array.
pub struct LockFile {
    path: PathBuf,
    /// What the keys of the array begin with.
    prefix: String,
}

impl LockFile {
    /// `folder` is the array's, `prefix` what its keys begin with.
    pub fn new(folder: PathBuf, prefix: String) -> Self {
        LockFile {
            path: folder.join(LOCK_NAME),
            prefix,
        }
    }

    fn try_place(&self, offset: i64) -> io::Result<Option<Locked>> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(lock) = system::try_lock(self.open()?, offset)? else {
                return Ok(None);
            };
            // Whoever deletes the array deletes the file: a lock on what has no name any more excludes nobody.
            if lock.is_at(&self.path)? {
                return Ok(Some(Box::new(lock)));
            }
        }
        Err(io::Error::other("the lock file is replaced again and again"))
    }

    fn open(&self) -> io::Result<fs::File> {
        let mut options = fs::File::options();
        // Not truncated: the size means nothing, and a write would be a change to see.
        options.read(true).write(true).create(true).truncate(false);
        match options.open(&self.path) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                // An array of N5, or one whose document was deleted, need not have a folder.
                fs::create_dir_all(self.path.parent().unwrap_or(&self.path))?;
                options.open(&self.path)
            }
            opened => opened,
        }
    }
}

impl KeyLocks for LockFile {
    fn try_lock(&self, key: &str) -> Result<Option<Locked>> {
        let offset = place(key.strip_prefix(&self.prefix).unwrap_or(key));
        self.try_place(offset).map_err(|source| {
            let action = format!("lock {key:?} by {}", self.path.display());
            match source.kind() {
                io::ErrorKind::Unsupported => Error::new(Kind::Unsupported, format!("{action}: {source}")),
                _ => Error::io_write(&action, &source),
            }
        })
    }
}

/// The byte that stands for a key, below 2^62: FNV-1a. Other versions must find the same.
fn place(key: &str) -> i64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = key.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step);
    (hash >> 2).cast_signed()
}

/// For a forked child: closes what it has inherited of locks that its parent holds. A lock lasts as long as anybody has
/// its open file, so it would outlive the parent.
pub fn after_fork() {
    system::after_fork();
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
mod system {
    use std::fs::{self, File};
    use std::io;
    use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::sync::atomic::{AtomicI32, Ordering};

    /// The files of locks, for `after_fork`: no mutex, which a fork may leave taken. Locks beyond these many at once
    /// are held as well, but a forked child keeps their files open.
    static OPEN: [AtomicI32; 256] = [const { AtomicI32::new(NONE) }; 256];
    const NONE: RawFd = -1;

    /// A lock that is held until it is dropped.
    pub struct FileLock {
        file: Option<File>,
        offset: i64,
        slot: Option<usize>,
        /// Who has taken it: a forked child shares the open file, and must not unlock it.
        pid: u32,
    }

    pub fn try_lock(file: File, offset: i64) -> io::Result<Option<FileLock>> {
        let descriptor = file.as_raw_fd();
        let free = |slot: &AtomicI32| {
            let taken = slot.compare_exchange(NONE, descriptor, Ordering::AcqRel, Ordering::Relaxed);
            taken.is_ok()
        };
        let lock = FileLock {
            slot: OPEN.iter().position(free),
            file: Some(file),
            offset,
            pid: std::process::id(),
        };
        match set(descriptor, offset, true) {
            Ok(()) => Ok(Some(lock)),
            // POSIX allows both.
            Err(source) if matches!(source.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(None),
            Err(source) => Err(source),
        }
    }

    impl FileLock {
        /// Whether the locked file is the one at `path`.
        pub fn is_at(&self, path: &Path) -> io::Result<bool> {
            let Some(file) = &self.file else { return Ok(false) };
            let own = file.metadata()?;
            match fs::metadata(path) {
                Ok(named) => Ok((named.dev(), named.ino()) == (own.dev(), own.ino())),
                Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(source) => Err(source),
            }
        }
    }

    impl Drop for FileLock {
        fn drop(&mut self) {
            let Some(file) = self.file.take() else { return };
            if self.pid != std::process::id() {
                // `after_fork` has closed it; the number may be another file's by now.
                let _ = file.into_raw_fd();
                return;
            }
            // Before it is closed: a forked child may have it open, and a lock lasts until the last has closed it.
            let _ = set(file.as_raw_fd(), self.offset, false);
            if let Some(slot) = self.slot {
                OPEN[slot].store(NONE, Ordering::Release);
            }
        }
    }

    pub fn after_fork() {
        for slot in &OPEN {
            let descriptor = slot.swap(NONE, Ordering::AcqRel);
            if descriptor != NONE {
                // SAFETY: the descriptor was open at the fork, in whose child nothing has run yet; its owner, if it is
                // here at all, sees by the pid that it must not be used.
                unsafe { libc::close(descriptor) };
            }
        }
    }

    /// No fallback to flock where there are no such locks: it knows whole files, and whoever appends holds the lock of
    /// the shape while it takes those of chunks.
    fn set(descriptor: RawFd, offset: i64, lock: bool) -> io::Result<()> {
        // SAFETY: all zeros is a valid flock; fields that a system adds have zero as "none".
        let mut range: libc::flock = unsafe { std::mem::zeroed() };
        range.l_type = (if lock { libc::F_WRLCK } else { libc::F_UNLCK }) as libc::c_short;
        range.l_whence = libc::SEEK_SET as libc::c_short;
        range.l_start = offset as libc::off_t;
        range.l_len = 1;
        // SAFETY: the descriptor is open, and the range outlives the call.
        if unsafe { libc::fcntl(descriptor, libc::F_OFD_SETLK, &raw mut range) } == 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            source
                if matches!(
                    source.raw_os_error(),
                    Some(libc::EINVAL | libc::ENOLCK | libc::EOPNOTSUPP)
                ) =>
            {
                Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("locks of open file descriptions do not work here ({source})"),
                ))
            }
            source => Err(source),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod system {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub struct FileLock;

    pub fn try_lock(_file: File, _offset: i64) -> io::Result<Option<FileLock>> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "locking=\"file\" is not implemented on this system",
        ))
    }

    impl FileLock {
        pub fn is_at(&self, _path: &Path) -> io::Result<bool> {
            Ok(true)
        }
    }

    pub fn after_fork() {}
}

#[cfg(all(test, any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod tests {
    use super::*;

    fn lock_file(folder: &std::path::Path) -> LockFile {
        LockFile::new(folder.join("a"), "a/".to_owned())
    }

    #[test]
    fn a_key_is_locked_once_and_others_are_free() {
        let dir = tempfile::tempdir().unwrap();
        let locks = lock_file(dir.path());
        let held = locks.try_lock("a/c/0").unwrap();
        assert!(held.is_some());
        assert!(locks.try_lock("a/c/0").unwrap().is_none());
        // As a handle over the array's own folder calls it.
        let inside = LockFile::new(dir.path().join("a"), String::new());
        assert!(inside.try_lock("c/0").unwrap().is_none());
        assert!(locks.try_lock("a/c/1").unwrap().is_some());
        drop(held);
        assert!(inside.try_lock("c/0").unwrap().is_some());
        assert_eq!(fs::metadata(dir.path().join("a").join(LOCK_NAME)).unwrap().len(), 0);
    }

    #[test]
    fn a_deleted_lock_file_excludes_nobody_and_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let locks = lock_file(dir.path());
        let old = locks.try_lock("a/c/0").unwrap();
        fs::remove_dir_all(dir.path().join("a")).unwrap();
        let new = locks.try_lock("a/c/0").unwrap();
        assert!(old.is_some() && new.is_some());
        drop(old);
        assert!(locks.try_lock("a/c/0").unwrap().is_none());
    }

    #[test]
    fn what_stands_in_the_way_is_told_with_the_key() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), b"a file").unwrap();
        let error = lock_file(dir.path()).try_lock("a/c/0").err().unwrap();
        assert_eq!(error.kind(), Kind::Store);
        assert!(error.to_string().contains("a/c/0"), "{error}");
    }

    #[test]
    fn places_are_stable() {
        // FNV-1a's own test values.
        for (key, hash) in [
            ("", 0xcbf2_9ce4_8422_2325_u64),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(place(key), (hash >> 2).cast_signed());
        }
    }
}
