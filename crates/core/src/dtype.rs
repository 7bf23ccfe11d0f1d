//! What the engine knows of a data type: its size, its kind, and which bytes an endian change reverses.

use crate::error::{Error, Result};
use crate::heap::ITEM_NBYTES;

/// What an item is to codecs that look into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Real(Scalar),
    /// Two of them: the real part, then the imaginary.
    Complex(Scalar),
    /// Bytes that no codec interprets: text, structures, times.
    Opaque,
    /// An item of any length: in memory a descriptor (see `variable`).
    Variable(Content),
}

/// What items of variable length hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    Utf8,
    Bytes,
}

macro_rules! scalars {
    ($($variant:ident $name:literal $bits:literal $nbytes:literal,)*) => {
        /// A real data type, by its v3 name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Scalar {
            $($variant,)*
        }

        impl Scalar {
            pub const ALL: &[Scalar] = &[$(Scalar::$variant,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Scalar::$variant => $name,)*
                }
            }

            /// The bits that tell values apart. In memory those of less than eight take a byte.
            pub fn bits(self) -> u32 {
                match self {
                    $(Scalar::$variant => $bits,)*
                }
            }

            /// Bytes in memory.
            pub fn nbytes(self) -> usize {
                match self {
                    $(Scalar::$variant => $nbytes,)*
                }
            }
        }
    };
}

scalars! {
    Bool "bool" 1 1,
    Int2 "int2" 2 1,
    Int4 "int4" 4 1,
    Int8 "int8" 8 1,
    Int16 "int16" 16 2,
    Int32 "int32" 32 4,
    Int64 "int64" 64 8,
    Uint2 "uint2" 2 1,
    Uint4 "uint4" 4 1,
    Uint8 "uint8" 8 1,
    Uint16 "uint16" 16 2,
    Uint32 "uint32" 32 4,
    Uint64 "uint64" 64 8,
    Float4E2m1fn "float4_e2m1fn" 4 1,
    Float6E2m3fn "float6_e2m3fn" 6 1,
    Float6E3m2fn "float6_e3m2fn" 6 1,
    Float8E3m4 "float8_e3m4" 8 1,
    Float8E4m3 "float8_e4m3" 8 1,
    Float8E4m3b11fnuz "float8_e4m3b11fnuz" 8 1,
    Float8E4m3fn "float8_e4m3fn" 8 1,
    Float8E4m3fnuz "float8_e4m3fnuz" 8 1,
    Float8E5m2 "float8_e5m2" 8 1,
    Float8E5m2fnuz "float8_e5m2fnuz" 8 1,
    Float8E8m0fnu "float8_e8m0fnu" 8 1,
    Bfloat16 "bfloat16" 16 2,
    Float16 "float16" 16 2,
    Float32 "float32" 32 4,
    Float64 "float64" 64 8,
}

impl Scalar {
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scalar| scalar.name() == name)
    }

    pub fn is_signed_int(self) -> bool {
        use Scalar::{Int2, Int4, Int8, Int16, Int32, Int64};
        matches!(self, Int2 | Int4 | Int8 | Int16 | Int32 | Int64)
    }

    pub fn is_unsigned_int(self) -> bool {
        use Scalar::{Uint2, Uint4, Uint8, Uint16, Uint32, Uint64};
        matches!(self, Uint2 | Uint4 | Uint8 | Uint16 | Uint32 | Uint64)
    }

    pub fn is_int(self) -> bool {
        self.is_signed_int() || self.is_unsigned_int()
    }

    pub fn is_float(self) -> bool {
        !self.is_int() && self != Scalar::Bool
    }
}

impl Kind {
    /// The kind by its name on the wire: a real data type's, `complex:` and that of a component, `opaque`,
    /// or for items of variable length `string` or `bytes`.
    pub fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix("complex:") {
            _ if name == "opaque" => Some(Kind::Opaque),
            _ if name == "string" => Some(Kind::Variable(Content::Utf8)),
            _ if name == "bytes" => Some(Kind::Variable(Content::Bytes)),
            Some(component) => Scalar::parse(component).map(Kind::Complex),
            None => Scalar::parse(name).map(Kind::Real),
        }
    }

    /// What `parse` takes.
    pub fn name(self) -> String {
        match self {
            Kind::Real(scalar) => scalar.name().to_owned(),
            Kind::Complex(scalar) => format!("complex:{}", scalar.name()),
            Kind::Opaque => "opaque".to_owned(),
            Kind::Variable(Content::Utf8) => "string".to_owned(),
            Kind::Variable(Content::Bytes) => "bytes".to_owned(),
        }
    }

    /// The bits that no value of a byte has: all but the lowest of booleans and of types of less than eight bits.
    ///
    /// In memory they are clear, of signed integers too: so ml_dtypes has them, and so they are stored.
    pub fn unused_bits(self) -> u8 {
        match self.components() {
            Some((scalar, _)) if scalar.bits() < 8 => u8::MAX << scalar.bits(),
            _ => 0,
        }
    }

    /// The component, and how many of them an item has.
    pub fn components(self) -> Option<(Scalar, usize)> {
        match self {
            Kind::Real(scalar) => Some((scalar, 1)),
            Kind::Complex(scalar) => Some((scalar, 2)),
            Kind::Opaque | Kind::Variable(_) => None,
        }
    }
}

/// `count` components of `nbytes` each, from `offset` in the item; only components of more than one byte are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SwapRun {
    pub offset: usize,
    pub nbytes: usize,
    pub count: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    pub kind: Kind,
    pub item_nbytes: usize,
    pub swap_runs: Vec<SwapRun>,
}

impl Layout {
    pub fn new(kind: Kind, item_nbytes: usize, swap_runs: Vec<SwapRun>) -> Result<Self> {
        let fits = swap_runs.iter().all(|run| {
            run.nbytes > 1
                && run
                    .nbytes
                    .checked_mul(run.count)
                    .and_then(|n| n.checked_add(run.offset))
                    .is_some_and(|end| end <= item_nbytes)
        });
        let whole = match kind {
            Kind::Variable(_) => item_nbytes == ITEM_NBYTES && swap_runs.is_empty(),
            kind => kind
                .components()
                .is_none_or(|(scalar, count)| scalar.nbytes() * count == item_nbytes),
        };
        if item_nbytes == 0 || !fits || !whole {
            return Err(Error::metadata(format!(
                "no layout of {item_nbytes} bytes with runs {swap_runs:?}"
            )));
        }
        Ok(Layout {
            kind,
            item_nbytes,
            swap_runs,
        })
    }

    /// The layout of a kind that has components.
    pub fn of(kind: Kind) -> Option<Self> {
        let (scalar, count) = kind.components()?;
        let nbytes = scalar.nbytes();
        let run = SwapRun {
            offset: 0,
            nbytes,
            count,
        };
        Some(Layout {
            kind,
            item_nbytes: nbytes * count,
            swap_runs: if nbytes > 1 { vec![run] } else { Vec::new() },
        })
    }

    /// The items of a shard's index.
    pub fn uint64() -> Self {
        Layout {
            kind: Kind::Real(Scalar::Uint64),
            item_nbytes: 8,
            swap_runs: vec![SwapRun {
                offset: 0,
                nbytes: 8,
                count: 1,
            }],
        }
    }

    /// What the items hold, where they are of variable length.
    pub fn variable(&self) -> Option<Content> {
        match self.kind {
            Kind::Variable(content) => Some(content),
            _ => None,
        }
    }

    /// Whether the byte order of the stored form matters.
    pub fn has_byte_order(&self) -> bool {
        !self.swap_runs.is_empty()
    }

    /// The component size where the whole item is components of one size: then a swap is one tight loop.
    pub fn uniform_component(&self) -> Option<usize> {
        match self.swap_runs.as_slice() {
            [run] if run.offset == 0 && run.nbytes * run.count == self.item_nbytes => Some(run.nbytes),
            _ => None,
        }
    }
}

/// Whether a byte has a bit that its data type does not use: see [`clear_unused_bits`].
pub fn has_unused_bits(bytes: &[u8], kind: Kind) -> bool {
    let unused = kind.unused_bits();
    // Without an early end, so that it compiles to vector instructions.
    unused != 0 && bytes.iter().fold(0, |all, byte| all | byte) & unused != 0
}

/// Clears the bits that the data type does not use. A boolean that is neither 0 nor 1 is true, as C and NumPy read it.
pub fn clear_unused_bits(bytes: &mut [u8], kind: Kind) {
    let used = !kind.unused_bits();
    match kind {
        Kind::Real(Scalar::Bool) => bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0)),
        _ => bytes.iter_mut().for_each(|byte| *byte &= used),
    }
}

/// Reverses the bytes of each component of each item: native to foreign byte order, or back.
///
/// Bytes behind the last whole item are left alone.
pub fn swap_items(bytes: &mut [u8], layout: &Layout) {
    match layout.uniform_component() {
        // Constant sizes compile to vector shuffles.
        Some(2) => swap_components::<2>(bytes),
        Some(4) => swap_components::<4>(bytes),
        Some(8) => swap_components::<8>(bytes),
        Some(nbytes) => bytes.chunks_exact_mut(nbytes).for_each(<[u8]>::reverse),
        None => bytes
            .chunks_exact_mut(layout.item_nbytes)
            .for_each(|item| swap_runs(item, &layout.swap_runs)),
    }
}

fn swap_components<const N: usize>(bytes: &mut [u8]) {
    bytes
        .as_chunks_mut::<N>()
        .0
        .iter_mut()
        .for_each(|component| component.reverse());
}

fn swap_runs(item: &mut [u8], runs: &[SwapRun]) {
    for run in runs {
        let components = &mut item[run.offset..run.offset + run.nbytes * run.count];
        components.chunks_exact_mut(run.nbytes).for_each(<[u8]>::reverse);
    }
}

#[cfg(test)]
mod swap_tests {
    use super::*;

    fn swapped(item_nbytes: usize, runs: &[(usize, usize, usize)], bytes: &[u8]) -> Vec<u8> {
        let runs = runs
            .iter()
            .map(|&(offset, nbytes, count)| SwapRun { offset, nbytes, count })
            .collect();
        let layout = Layout::new(Kind::Opaque, item_nbytes, runs).unwrap();
        let mut out = bytes.to_vec();
        swap_items(&mut out, &layout);
        out
    }

    #[test]
    fn components_of_one_size() {
        for nbytes in [2, 3, 4, 8, 16] {
            let bytes: Vec<u8> = (0..5 * nbytes as u8).collect();
            let want: Vec<u8> = bytes.chunks(nbytes).flat_map(|c| c.iter().rev().copied()).collect();
            assert_eq!(swapped(nbytes, &[(0, nbytes, 1)], &bytes), want);
        }
        // A complex item is two components.
        assert_eq!(
            swapped(8, &[(0, 4, 2)], &[0, 1, 2, 3, 4, 5, 6, 7]),
            [3, 2, 1, 0, 7, 6, 5, 4]
        );
    }

    #[test]
    fn unused_bits() {
        let all: Vec<u8> = (0..=255).collect();
        for (name, used) in [("uint2", 3), ("int2", 3), ("int4", 15), ("complex:float6_e3m2fn", 63)] {
            let kind = Kind::parse(name).unwrap();
            let mut bytes = all.clone();
            assert!(has_unused_bits(&bytes, kind));
            assert!(!has_unused_bits(&bytes[..=used], kind));
            clear_unused_bits(&mut bytes, kind);
            assert!(
                all.iter()
                    .zip(&bytes)
                    .all(|(before, after)| *after == before & used as u8)
            );
        }
        let mut bytes = [0, 1, 2, 128, 255];
        clear_unused_bits(&mut bytes, Kind::Real(Scalar::Bool));
        assert_eq!(bytes, [0, 1, 1, 1, 1]);
        for name in ["int8", "float8_e4m3", "complex:float8_e5m2", "uint64", "opaque"] {
            assert!(!has_unused_bits(&all, Kind::parse(name).unwrap()));
        }
    }

    #[test]
    fn a_structure_swaps_field_by_field() {
        // u8, u16, padding, two f32
        let bytes = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        ];
        let want = [
            0, 2, 1, 3, 7, 6, 5, 4, 11, 10, 9, 8, 20, 22, 21, 23, 27, 26, 25, 24, 31, 30, 29, 28,
        ];
        assert_eq!(swapped(12, &[(1, 2, 1), (4, 4, 2)], &bytes), want);
        assert_eq!(swapped(3, &[], &bytes[..6]), bytes[..6]);
    }
}
