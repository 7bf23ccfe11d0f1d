//! One error type: what kind of failure, which codec and stage, which key and chunk.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds follow the tree of `zarrpipe.errors`; the binding maps them in one `match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Metadata,
    Unsupported,
    Selection,
    Codec,
    Checksum,
    Truncated,
    Size,
    ShardIndex,
    Limit,
    Store,
    NotFound,
    MissingChunk,
    ReadOnly,
    Conflict,
    Config,
    /// A value of the wrong shape in an assignment.
    Value,
    Memory,
    /// The call was given up (Ctrl-C, a cancelled task).
    Cancelled,
    /// Not an error of the user's: a Python codec answered None, so the chunk counts as absent.
    Absent,
    /// A promise of this crate was broken (a panic that was caught); never expected.
    Internal,
}

/// An error with its place. Boxed, so that `Result` stays one word wide on the hot path.
pub struct Error(Box<Body>);

struct Body {
    kind: Kind,
    detail: Cow<'static, str>,
    codec: Option<String>,
    stage: Option<usize>,
    place: String,
    key: Option<String>,
    chunk: Option<Vec<u64>>,
    os_code: Option<i32>,
    foreign: Option<Box<dyn Any + Send + Sync>>,
}

impl Error {
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Error(Box::new(Body {
            kind,
            detail: detail.into(),
            codec: None,
            stage: None,
            place: String::new(),
            key: None,
            chunk: None,
            os_code: None,
            foreign: None,
        }))
    }

    /// An exception of a caller's language, carried through unchanged.
    pub fn foreign(source: Box<dyn Any + Send + Sync>) -> Self {
        let mut error = Error::new(Kind::Store, "exception raised outside the engine");
        error.0.foreign = Some(source);
        error
    }

    /// One that says that a value has changed since it was read.
    pub fn foreign_conflict(source: Box<dyn Any + Send + Sync>) -> Self {
        let mut error = Error::foreign(source);
        error.0.kind = Kind::Conflict;
        error
    }

    pub fn io(action: &str, source: &std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::OutOfMemory => Kind::Memory,
            _ => Kind::Store,
        };
        let mut error = Error::new(kind, format!("{action}: {source}"));
        error.0.os_code = source.raw_os_error();
        error
    }

    /// An error of a write: what forbids it makes the place read-only.
    pub fn io_write(action: &str, source: &std::io::Error) -> Self {
        let mut error = Error::io(action, source);
        if matches!(
            source.kind(),
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem
        ) {
            error.0.kind = Kind::ReadOnly;
        }
        error
    }

    pub fn memory(nbytes: u64) -> Self {
        Error::new(Kind::Memory, format!("no memory for {nbytes} bytes"))
    }

    /// Names the codec and its place in the chain, unless a stage further in has done so.
    #[must_use]
    pub fn in_codec(mut self, name: &str, stage: usize) -> Self {
        if self.0.codec.is_none() {
            self.0.codec = Some(name.to_owned());
            self.0.stage = Some(stage);
        }
        self
    }

    /// Names the codec where stored bytes are at fault and no stage was named.
    #[must_use]
    pub fn blaming(self, codec: &str) -> Self {
        match self.0.kind {
            Kind::Codec | Kind::Checksum | Kind::Truncated | Kind::Size | Kind::ShardIndex => self.in_codec(codec, 0),
            _ => self,
        }
    }

    /// Puts a part in front of the place in the document.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.0.place.insert_str(0, prefix);
        self
    }

    /// Where in the document, as a JSON pointer; empty where it is not known.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// Says in which inner chunk of a shard it happened.
    #[must_use]
    pub fn in_inner_chunk(mut self, coords: &[u64]) -> Self {
        if self.0.foreign.is_none() {
            self.0.detail = format!("inner chunk {coords:?}: {}", self.0.detail).into();
        }
        self
    }

    /// Names the key and the chunk's grid position, unless already named.
    #[must_use]
    pub fn at(mut self, key: &str, chunk: &[u64]) -> Self {
        if self.0.key.is_none() {
            self.0.key = Some(key.to_owned());
            self.0.chunk = Some(chunk.to_vec());
        }
        self
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
    pub fn codec(&self) -> Option<&str> {
        self.0.codec.as_deref()
    }
    pub fn stage(&self) -> Option<usize> {
        self.0.stage
    }
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }
    pub fn chunk(&self) -> Option<&[u64]> {
        self.0.chunk.as_deref()
    }
    pub fn os_code(&self) -> Option<i32> {
        self.0.os_code
    }
    pub fn take_foreign(&mut self) -> Option<Box<dyn Any + Send + Sync>> {
        self.0.foreign.take()
    }
    pub fn is_foreign(&self) -> bool {
        self.0.foreign.is_some()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(codec) = &self.0.codec {
            write!(f, "{codec}: ")?;
        }
        f.write_str(&self.0.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}({self}; key {:?}, chunk {:?})",
            self.0.kind, self.0.key, self.0.chunk
        )
    }
}

impl std::error::Error for Error {}

macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {
        impl Error { $(
            pub fn $name(detail: impl Into<Cow<'static, str>>) -> Self { Error::new(Kind::$kind, detail) }
        )* }
    };
}
constructors! {
    metadata => Metadata, unsupported => Unsupported, selection => Selection, corrupt => Codec, checksum => Checksum,
    truncated => Truncated, size => Size, shard_index => ShardIndex, limit => Limit, store => Store,
    read_only => ReadOnly, internal => Internal, value => Value, cancelled => Cancelled, absent => Absent,
}
