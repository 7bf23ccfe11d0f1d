//! Reading: a value held open, and the fewest calls that fetch its ranges.

use std::fs::{self, File, FileType, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ByteRange, FileVersion, MERGE_GAP_NBYTES, failed};
use crate::error::{Error, Result};
use crate::limits;
use crate::scratch::{self, Bytes, Scratch};

/// A regular file with bytes in it. The descriptor pins the inode: a rename over the key changes nothing here.
pub(super) struct OpenFile {
    file: File,
    path: PathBuf,
    nbytes: u64,
    version: Option<FileVersion>,
}

/// One buffer that several ranges look into.
struct Shared(Arc<Scratch>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl OpenFile {
    /// Opens a value; `None` only where the key has none.
    pub fn open(path: PathBuf) -> Result<Option<OpenFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // A FIFO must not wait for its writer, a terminal not become ours. O_CLOEXEC is std's default.
            options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        }
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound && !is_link(&path) => return Ok(None),
            Err(source) => return Err(not_opened(&path, &source)),
        };
        let meta = file.metadata().map_err(|source| failed("look at", &path, &source))?;
        if !meta.is_file() {
            return Err(not_regular(&path, meta.file_type()));
        }
        let nbytes = meta.len();
        if nbytes == 0 {
            return Err(Error::truncated(format!("{} is empty", path.display())));
        }
        Ok(Some(OpenFile {
            file,
            path,
            nbytes,
            version: version_of(&meta),
        }))
    }

    pub fn version(&self) -> Option<FileVersion> {
        self.version
    }

    #[cfg(target_os = "linux")]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The value's size.
    pub fn nbytes(&self) -> u64 {
        self.nbytes
    }

    /// Errors unless the value holds all of `offset .. offset + nbytes`.
    pub fn check(&self, offset: u64, nbytes: u64) -> Result<()> {
        match offset.checked_add(nbytes) {
            Some(end) if end <= self.nbytes => Ok(()),
            _ => Err(self.too_short(format_args!("{nbytes} bytes at {offset}"))),
        }
    }

    /// The ranges' bytes, in the order asked for.
    pub fn read(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes<'static>>> {
        if let [range] = ranges {
            let (start, nbytes) = self.locate(*range)?;
            let mut buffer = scratch::take(limits::in_memory(nbytes)?)?;
            self.read_at(&mut buffer, start)?;
            return Ok(vec![buffer.into()]);
        }
        self.read_merged(ranges)
    }

    /// Several ranges share one buffer, and neighbours one call.
    fn read_merged(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes<'static>>> {
        let mut spans = Vec::with_capacity(ranges.len());
        for (i, range) in ranges.iter().enumerate() {
            let (start, nbytes) = self.locate(*range)?;
            spans.push((start, nbytes, i));
        }
        spans.sort_unstable();

        // Runs are disjoint and inside the file, so no sum below can overflow.
        let mut runs: Vec<(u64, u64)> = Vec::with_capacity(spans.len());
        let mut places = vec![0..0; ranges.len()];
        let mut run_base = 0;
        for &(start, nbytes, i) in &spans {
            let run_start = match runs.last_mut() {
                Some((run_start, run_end)) if start <= run_end.saturating_add(MERGE_GAP_NBYTES) => {
                    *run_end = (start + nbytes).max(*run_end);
                    *run_start
                }
                last => {
                    run_base += last.map_or(0, |run| run.1 - run.0);
                    runs.push((start, start + nbytes));
                    start
                }
            };
            let place = run_base + (start - run_start);
            limits::in_memory(place + nbytes)?;
            places[i] = place as usize..(place + nbytes) as usize;
        }

        let total = run_base + runs.last().map_or(0, |run| run.1 - run.0);
        let mut buffer = scratch::take(limits::in_memory(total)?)?;
        let mut rest = &mut buffer[..];
        for (start, end) in runs {
            let (head, tail) = rest.split_at_mut((end - start) as usize);
            self.read_at(head, start)?;
            rest = tail;
        }
        let buffer = Arc::new(buffer);
        Ok(places
            .into_iter()
            .map(|place| Bytes::Foreign(Box::new(Shared(buffer.clone())), place))
            .collect())
    }

    /// Fills `buffer` from `offset` on.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        read_exact_at(&self.file, buffer, offset).map_err(|source| match source.kind() {
            // Only where somebody shortens the file itself: our own puts make a new one.
            io::ErrorKind::UnexpectedEof => self.too_short(format_args!("{} bytes at {offset} any more", buffer.len())),
            _ => failed("read", &self.path, &source),
        })
    }

    fn locate(&self, range: ByteRange) -> Result<(u64, u64)> {
        match range {
            ByteRange::Whole => Ok((0, self.nbytes)),
            ByteRange::Range { offset, nbytes } => self.check(offset, nbytes).map(|()| (offset, nbytes)),
            ByteRange::Suffix { nbytes } => match self.nbytes.checked_sub(nbytes) {
                Some(offset) => Ok((offset, nbytes)),
                None => Err(self.too_short(format_args!("{nbytes} bytes at its end"))),
            },
        }
    }

    fn too_short(&self, wanted: std::fmt::Arguments<'_>) -> Error {
        Error::truncated(format!(
            "{} has {} bytes, not {wanted}",
            self.path.display(),
            self.nbytes
        ))
    }
}

/// A link that leads nowhere is not "no such key": its value has been moved away (git-annex, an unmounted disk).
fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn not_opened(path: &Path, source: &io::Error) -> Error {
    // Sockets refuse to be opened, on Windows directories too: say what stands there.
    match fs::metadata(path) {
        Ok(meta) if !meta.is_file() => not_regular(path, meta.file_type()),
        _ => failed("open", path, source),
    }
}

fn not_regular(path: &Path, kind: FileType) -> Error {
    Error::store(format!(
        "{} is a {}, not a regular file",
        path.display(),
        describe(kind)
    ))
}

#[cfg(unix)]
fn describe(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_dir() => "directory",
        kind if kind.is_fifo() => "FIFO",
        kind if kind.is_socket() => "socket",
        kind if kind.is_block_device() => "block device",
        kind if kind.is_char_device() => "character device",
        _ => "special file",
    }
}

#[cfg(not(unix))]
fn describe(kind: FileType) -> &'static str {
    if kind.is_dir() { "directory" } else { "special file" }
}

#[cfg(unix)]
fn version_of(meta: &fs::Metadata) -> Option<FileVersion> {
    use std::os::unix::fs::MetadataExt;
    let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
    Some(FileVersion {
        device: meta.dev(),
        inode: meta.ino(),
        nbytes: meta.len(),
        mtime_ns: ns(meta.mtime(), meta.mtime_nsec()),
        ctime_ns: ns(meta.ctime(), meta.ctime_nsec()),
    })
}

#[cfg(not(unix))]
fn version_of(_meta: &fs::Metadata) -> Option<FileVersion> {
    None
}

/// pread until full: interruptions, and the 2 GiB that Linux reads at most, are std's loop's business.
#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buffer = &mut buffer[n..];
                offset += n as u64;
            }
            Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(source),
        }
    }
    Ok(())
}
