//! Writing: a temporary file beside the key, renamed over it once it is whole.
//!
//! No space is reserved beforehand, though ext4 would then replace large values three times faster: it writes the new
//! bytes back at such a rename only while their blocks are unallocated (auto_da_alloc). With blocks reserved, a power
//! cut could leave zeros of the right length where the old value stood.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::read::OpenFile;
use super::{Fsync, PARTIAL_PREFIX, PARTIAL_SUFFIX, Part, write_failed};
use crate::error::{Error, Result};
use crate::scratch;

/// What one writev takes on every system.
const MAX_SLICES: usize = 1024;
/// Blocks of the portable copy: they stay in the L2 cache.
const COPY_NBYTES: usize = 256 << 10;
/// How often a folder that vanishes under us is made again.
const MAX_ATTEMPTS: usize = 64;

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A random number without a crate for it.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// Replaces the value at `path` by the parts; on an error the old value stays and nothing else is left.
pub(super) fn replace(path: &Path, parts: &[Part], old: Option<&OpenFile>, fsync: Fsync, tag: u64) -> Result<()> {
    let mut partial = Partial::create(path, fsync, tag)?;
    partial.fill(path, parts, old, fsync)?;
    partial.publish(path)?;
    if fsync == Fsync::Full {
        sync_parent(path)
    } else {
        Ok(())
    }
}

/// A temporary file, removed on drop unless it was published.
struct Partial {
    path: PathBuf,
    file: Option<File>,
    published: bool,
}

impl Partial {
    fn create(path: &Path, fsync: Fsync, tag: u64) -> Result<Partial> {
        let folder = path.parent().unwrap_or(path);
        let mut attempt = 1;
        loop {
            let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
            let pid = std::process::id();
            let temp = folder.join(format!("{PARTIAL_PREFIX}{pid}-{counter}-{tag:016x}{PARTIAL_SUFFIX}"));
            let source = match OpenOptions::new().write(true).create_new(true).open(&temp) {
                Ok(file) => {
                    return Ok(Partial {
                        path: temp,
                        file: Some(file),
                        published: false,
                    });
                }
                Err(source) => source,
            };
            match source.kind() {
                // Made only when missed, so that the usual put costs no mkdir.
                io::ErrorKind::NotFound if attempt < MAX_ATTEMPTS => match make_folders(folder, fsync) {
                    // A parent went away meanwhile: that is one more attempt.
                    Err(source) if source.kind() != io::ErrorKind::NotFound => {
                        return Err(write_failed("make folder", folder, &source));
                    }
                    _ => {}
                },
                io::ErrorKind::AlreadyExists if attempt < MAX_ATTEMPTS => {}
                _ => return Err(write_failed("make a file in", folder, &source)),
            }
            attempt += 1;
        }
    }

    fn fill(&mut self, path: &Path, parts: &[Part], old: Option<&OpenFile>, fsync: Fsync) -> Result<()> {
        let Some(file) = self.file.take() else {
            return Err(Error::internal("a temporary file was filled twice"));
        };
        write_parts(&file, path, parts, old)?;
        let synced = match fsync {
            Fsync::None => Ok(()),
            Fsync::Data => file.sync_data(),
            Fsync::Full => file.sync_all(),
        };
        // NFS tells of a full disk only here.
        synced
            .and_then(|()| close(file))
            .map_err(|source| write_failed("write", path, &source))
    }

    fn publish(&mut self, path: &Path) -> Result<()> {
        rename(&self.path, path).map_err(|source| write_failed("replace", path, &source))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Closed first: Windows removes no open file.
        drop(self.file.take());
        if !self.published {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn write_parts(file: &File, path: &Path, mut parts: &[Part], old: Option<&OpenFile>) -> Result<()> {
    let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(parts.len().min(MAX_SLICES));
    while let Some(first) = parts.first() {
        let used = match first {
            Part::New(_) => {
                slices.clear();
                let news = parts.iter().map_while(|part| match part {
                    Part::New(bytes) => Some(IoSlice::new(bytes)),
                    Part::Old { .. } => None,
                });
                slices.extend(news.take(MAX_SLICES));
                write_all(file, &mut slices).map_err(|source| write_failed("write", path, &source))?;
                slices.len()
            }
            Part::Old { offset, nbytes } => {
                let old = old.ok_or_else(|| Error::internal("a part of the old value without its handle"))?;
                let (used, nbytes) = adjacent(parts, *offset, *nbytes);
                old.check(*offset, nbytes)?;
                copy(file, path, old, *offset, nbytes)?;
                used
            }
        };
        parts = &parts[used..];
    }
    Ok(())
}

/// How many of the parts, beginning with an old range, continue it without a gap; and their length.
fn adjacent(parts: &[Part], start: u64, first_nbytes: u64) -> (usize, u64) {
    let mut total = first_nbytes;
    let mut used = 1;
    for part in &parts[1..] {
        let Part::Old { offset, nbytes } = part else { break };
        match total.checked_add(*nbytes) {
            Some(sum) if start.checked_add(total) == Some(*offset) => total = sum,
            _ => break,
        }
        used += 1;
    }
    (used, total)
}

/// Write::write_all_vectored is not stable yet. Leaves the vector's length as it was.
fn write_all(mut file: &File, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    let mut rest = slices;
    // Drops empty slices at the front, so that an answer of 0 means what it says.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut rest, n),
            Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(source),
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn copy(file: &File, path: &Path, old: &OpenFile, mut offset: u64, mut nbytes: u64) -> Result<()> {
    use std::os::fd::AsRawFd;
    while nbytes > 0 {
        let mut from = i64::try_from(offset).map_err(|_| Error::internal("an old range beyond 2^63"))?;
        // Far below the kernel's own limit, where it would cut to a multiple of the page anyway.
        let ask = nbytes.min(1 << 30) as usize;
        // SAFETY: both descriptors are open while their `File`s are borrowed, `from` is a valid off64_t for the call,
        // and a null output offset means the file's own position, which `write` shares.
        let n = unsafe {
            libc::copy_file_range(
                old.file().as_raw_fd(),
                &mut from,
                file.as_raw_fd(),
                std::ptr::null_mut(),
                ask,
                0,
            )
        };
        if n > 0 {
            offset += n as u64;
            nbytes -= n as u64;
            continue;
        }
        let source = io::Error::last_os_error();
        match source.raw_os_error() {
            // Some file systems answer 0 for "cannot": the twin sees whether the file is really at its end.
            _ if n == 0 => return copy_blocks(file, path, old, offset, nbytes),
            Some(libc::EINTR) => {}
            // Other file system, old kernel, not for this one; EPERM from sandboxes that do not know the call.
            Some(libc::EXDEV | libc::ENOSYS | libc::EINVAL | libc::EOPNOTSUPP | libc::EPERM) => {
                return copy_blocks(file, path, old, offset, nbytes);
            }
            _ => return Err(write_failed("write", path, &source)),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
use copy_blocks as copy;

/// The portable twin: through memory.
fn copy_blocks(mut file: &File, path: &Path, old: &OpenFile, mut offset: u64, mut nbytes: u64) -> Result<()> {
    let mut buffer = scratch::take(nbytes.min(COPY_NBYTES as u64) as usize)?;
    while nbytes > 0 {
        let n = nbytes.min(COPY_NBYTES as u64);
        let block = &mut buffer[..n as usize];
        old.read_at(block, offset)?;
        file.write_all(block)
            .map_err(|source| write_failed("write", path, &source))?;
        offset += n;
        nbytes -= n;
    }
    Ok(())
}

/// mkdir -p; whether the last folder is new. Others may be making the same ones.
pub(super) fn make_folders(folder: &Path, fsync: Fsync) -> io::Result<bool> {
    let mut made = fs::create_dir(folder);
    if matches!(&made, Err(source) if source.kind() == io::ErrorKind::NotFound)
        && let Some(parent) = folder.parent()
    {
        make_folders(parent, fsync)?;
        made = fs::create_dir(folder);
    }
    match made {
        Ok(()) => {
            if let (Fsync::Full, Some(parent)) = (fsync, folder.parent()) {
                sync_folder(parent)?;
            }
            Ok(true)
        }
        // Where it is no folder, the put that needs one says so.
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // Read-only and automounted parents refuse before they look.
        Err(_) if folder.is_dir() => Ok(false),
        Err(source) => Err(source),
    }
}

/// Makes a rename or unlink durable.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    sync_folder(folder).map_err(|source| write_failed("sync", folder, &source))
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems have no such thing.
        Err(source) if source.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Closes and says what the system has to say, which `drop` would swallow.
#[cfg(unix)]
fn close(file: File) -> io::Result<()> {
    use std::os::fd::IntoRawFd;
    // SAFETY: `into_raw_fd` gave us the only owner of an open descriptor; it is closed here and used no more.
    if unsafe { libc::close(file.into_raw_fd()) } == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // The descriptor is gone all the same; a second try could close another thread's.
        source if source.kind() == io::ErrorKind::Interrupted => Ok(()),
        source => Err(source),
    }
}

#[cfg(not(unix))]
fn close(file: File) -> io::Result<()> {
    drop(file);
    Ok(())
}

#[cfg(not(windows))]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Windows replaces no file that somebody holds open: readers get 0.2 s to finish.
#[cfg(windows)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    use std::time::{Duration, Instant};
    let end = Instant::now() + Duration::from_millis(200);
    loop {
        match fs::rename(from, to) {
            // ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
            Err(source) if matches!(source.raw_os_error(), Some(5 | 32 | 33)) && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            renamed => return renamed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Copy = fn(&File, &Path, &OpenFile, u64, u64) -> Result<()>;

    #[test]
    fn copies_agree() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..3 * COPY_NBYTES + 7).map(|i| (i % 251) as u8).collect();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, &bytes).unwrap();
        let old = OpenFile::open(from).unwrap().unwrap();
        let whole = bytes.len() as u64;
        for copy in [copy as Copy, copy_blocks as Copy] {
            for (offset, nbytes) in [(0, whole), (1, whole - 1), (5, 0), (4095, 4098), (whole - 1, 1)] {
                let mut file = File::create(&to).unwrap();
                file.write_all(b"before").unwrap();
                copy(&file, &to, &old, offset, nbytes).unwrap();
                file.write_all(b"behind").unwrap();
                let expected = [
                    b"before",
                    &bytes[offset as usize..(offset + nbytes) as usize],
                    b"behind",
                ]
                .concat();
                assert!(fs::read(&to).unwrap() == expected, "{offset} {nbytes}");
            }
        }
    }

    #[test]
    fn a_copy_from_a_shortened_file_is_truncated() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::write(&from, [1; 100]).unwrap();
        let old = OpenFile::open(from.clone()).unwrap().unwrap();
        File::options().write(true).open(&from).unwrap().set_len(50).unwrap();
        for copy in [copy as Copy, copy_blocks as Copy] {
            let error = copy(&File::create(dir.path().join("to")).unwrap(), &from, &old, 20, 80).unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Truncated);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn another_file_system_takes_the_twin() {
        let (Ok(here), Ok(there)) = (tempfile::tempdir_in("/tmp"), tempfile::tempdir_in("/dev/shm")) else {
            return;
        };
        fs::write(here.path().join("from"), [7; 9000]).unwrap();
        let old = OpenFile::open(here.path().join("from")).unwrap().unwrap();
        let to = there.path().join("to");
        copy(&File::create(&to).unwrap(), &to, &old, 10, 8990).unwrap();
        assert_eq!(fs::read(&to).unwrap(), [7; 8990]);
    }

    #[test]
    fn adjacent_ranges_are_one_copy() {
        let old = |offset, nbytes| Part::Old { offset, nbytes };
        let first = |parts: &[Part]| match parts[0] {
            Part::Old { offset, nbytes } => adjacent(parts, offset, nbytes),
            Part::New(_) => (0, 0),
        };
        assert_eq!(first(&[old(5, 5), old(10, 1), old(11, 0), old(12, 1)]), (3, 6));
        assert_eq!(
            first(&[old(0, 5), Part::New(crate::scratch::Bytes::Borrowed(b"x")), old(5, 1)]),
            (1, 5)
        );
        assert_eq!(first(&[old(u64::MAX, 5), old(4, 1)]), (1, 5));
        assert_eq!(first(&[old(0, u64::MAX), old(u64::MAX, 1)]), (1, u64::MAX));
    }

    #[test]
    fn more_slices_than_one_call_takes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let bytes: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
        let parts: Vec<Part> = bytes
            .chunks(1)
            .flat_map(|one| [one, &[]])
            .map(|bytes| Part::New(crate::scratch::Bytes::foreign(Box::new(bytes.to_vec()))))
            .collect();
        replace(&path, &parts, None, Fsync::None, 0).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
