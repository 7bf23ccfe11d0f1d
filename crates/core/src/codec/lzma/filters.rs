//! The chains of filters that `numcodecs.lzma` describes as Python's `lzma` does.
//!
//! <https://docs.python.org/3/library/lzma.html#specifying-custom-filter-chains>

use liblzma::stream::{Filters, LzmaOptions, MatchFinder, Mode, PRESET_EXTREME};
use serde_json::{Map, Value};

use super::{Format, refused};
use crate::codec::Document;
use crate::error::{Error, Result};

pub(super) const MIN_DICTIONARY_NBYTES: i64 = 1 << 12;
const MAX_DICTIONARY_NBYTES: i64 = (1 << 30) + (1 << 29);

pub(super) fn parse_filters(document: &Document<'_>, filters: &Value, format: Format) -> Result<Vec<Filter>> {
    let invalid = |expected: &str| document.invalid("filters", expected);
    let list = filters
        .as_array()
        .filter(|list| (1..=4).contains(&list.len()))
        .ok_or_else(|| invalid("a list of one to four filters"))?;
    let parse = |(position, filter): (usize, &Value)| {
        Filter::parse(filter).ok_or_else(|| {
            let error = Error::metadata(format!("{filter} is no filter of lzma"));
            error.under(&format!("/configuration/filters/{position}"))
        })
    };
    let parsed = list.iter().enumerate().map(parse).collect::<Result<Vec<_>>>()?;
    let is_last = |i: usize| i + 1 == parsed.len();
    if parsed
        .iter()
        .enumerate()
        .any(|(i, filter)| filter.compresses() != is_last(i))
    {
        return Err(invalid("a list with LZMA1 or LZMA2 at its end and nowhere else"));
    }
    let old = parsed.iter().any(|filter| matches!(filter, Filter::Lzma1(_)));
    match format {
        Format::Auto => Err(invalid("absent in the format 0")),
        Format::Xz if old => Err(invalid("without LZMA1 in the format 1")),
        Format::Alone if !old || parsed.len() > 1 => Err(invalid("LZMA1 alone in the format 2")),
        _ => Ok(parsed),
    }
}

/// One filter, with Python's numbers for it.
pub(super) enum Filter {
    Lzma1(Options),
    Lzma2(Options),
    Delta {
        distance: u8,
    },
    /// For machine code, by its number: addresses in jumps are made absolute.
    Branch {
        id: i64,
        start_offset: u32,
    },
}

pub(super) struct Options {
    preset: u32,
    dict_size: Option<u32>,
    lc: Option<u32>,
    lp: Option<u32>,
    pb: Option<u32>,
    mode: Option<Mode>,
    nice_len: Option<u32>,
    mf: Option<MatchFinder>,
    depth: Option<u32>,
}

/// The integer `key` within the range; `Some(None)` where it is absent.
fn member(map: &Map<String, Value>, key: &str, min: i64, max: i64) -> Option<Option<u32>> {
    match map.get(key) {
        None => Some(None),
        Some(value) => {
            let number = value.as_i64().filter(|n| (min..=max).contains(n))?;
            Some(Some(u32::try_from(number).ok()?))
        }
    }
}

fn has_only(map: &Map<String, Value>, keys: &[&str]) -> bool {
    map.keys().all(|key| key == "id" || keys.contains(&key.as_str()))
}

impl Filter {
    /// None where it is not one.
    fn parse(json: &Value) -> Option<Filter> {
        const LZMA1: i64 = 0x4000_0000_0000_0001;
        const LZMA2: i64 = 0x21;
        const DELTA: i64 = 3;
        const FIRST_BRANCH: i64 = 4;
        const LAST_BRANCH: i64 = 0xb;
        let map = json.as_object()?;
        match map.get("id")?.as_i64()? {
            LZMA1 => Options::parse(map).map(Filter::Lzma1),
            LZMA2 => Options::parse(map).map(Filter::Lzma2),
            DELTA if has_only(map, &["dist"]) => Some(Filter::Delta {
                distance: (member(map, "dist", 1, 256)?.unwrap_or(1) - 1) as u8,
            }),
            id @ FIRST_BRANCH..=LAST_BRANCH if has_only(map, &["start_offset"]) => Some(Filter::Branch {
                id,
                start_offset: member(map, "start_offset", 0, u32::MAX.into())?.unwrap_or(0),
            }),
            _ => None,
        }
    }

    fn compresses(&self) -> bool {
        matches!(self, Filter::Lzma1(_) | Filter::Lzma2(_))
    }

    /// `dictionary_nbytes` bounds the dictionary.
    fn add(&self, filters: &mut Filters, dictionary_nbytes: u32) -> Result<()> {
        match self {
            Filter::Lzma1(options) => filters.lzma1(&options.build(dictionary_nbytes)?),
            Filter::Lzma2(options) => filters.lzma2(&options.build(dictionary_nbytes)?),
            Filter::Delta { distance } => filters.delta_properties(&[*distance]).map_err(refused)?,
            Filter::Branch { id, start_offset } => add_branch(filters, *id, *start_offset)?,
        };
        Ok(())
    }
}

fn add_branch(filters: &mut Filters, id: i64, start_offset: u32) -> Result<&mut Filters> {
    let offset = start_offset.to_le_bytes();
    // Without properties the offset is 0; some versions take them only where it is not.
    let properties = if start_offset == 0 { &offset[..0] } else { &offset[..] };
    let added = match id {
        4 => filters.x86_properties(properties),
        5 => filters.powerpc_properties(properties),
        6 => filters.ia64_properties(properties),
        7 => filters.arm_properties(properties),
        8 => filters.arm_thumb_properties(properties),
        9 => filters.sparc_properties(properties),
        10 => filters.arm64_properties(properties),
        _ => filters.riscv_properties(properties),
    };
    added.map_err(refused)
}

impl Options {
    fn parse(map: &Map<String, Value>) -> Option<Options> {
        let keys = [
            "preset",
            "dict_size",
            "lc",
            "lp",
            "pb",
            "mode",
            "nice_len",
            "mf",
            "depth",
        ];
        if !has_only(map, &keys) {
            return None;
        }
        let preset = member(map, "preset", 0, u32::MAX.into())?.unwrap_or(6);
        let options = Options {
            preset,
            dict_size: member(map, "dict_size", MIN_DICTIONARY_NBYTES, MAX_DICTIONARY_NBYTES)?,
            lc: member(map, "lc", 0, 4)?,
            lp: member(map, "lp", 0, 4)?,
            pb: member(map, "pb", 0, 4)?,
            mode: match member(map, "mode", 1, 2)? {
                Some(1) => Some(Mode::Fast),
                Some(_) => Some(Mode::Normal),
                None => None,
            },
            nice_len: member(map, "nice_len", 2, 273)?,
            mf: match member(map, "mf", 0, 0x14)? {
                Some(0x03) => Some(MatchFinder::HashChain3),
                Some(0x04) => Some(MatchFinder::HashChain4),
                Some(0x12) => Some(MatchFinder::BinaryTree2),
                Some(0x13) => Some(MatchFinder::BinaryTree3),
                Some(0x14) => Some(MatchFinder::BinaryTree4),
                Some(_) => return None,
                None => None,
            },
            depth: member(map, "depth", 0, u32::MAX.into())?,
        };
        // Of the presets all have lc = 3 and lp = 0.
        let literal_bits = options.lc.unwrap_or(3) + options.lp.unwrap_or(0);
        (preset & !PRESET_EXTREME <= 9 && literal_bits <= 4).then_some(options)
    }

    pub(super) fn build(&self, dictionary_nbytes: u32) -> Result<LzmaOptions> {
        let mut built = LzmaOptions::new_preset(self.preset).map_err(refused)?;
        let of_preset = || (256 << 10) << [0, 2, 3, 4, 4, 5, 5, 6, 7, 8][(self.preset & 0xf) as usize % 10];
        built.dict_size(self.dict_size.unwrap_or_else(of_preset).min(dictionary_nbytes));
        self.lc.map(|bits| built.literal_context_bits(bits));
        self.lp.map(|bits| built.literal_position_bits(bits));
        self.pb.map(|bits| built.position_bits(bits));
        self.mode.map(|mode| built.mode(mode));
        self.nice_len.map(|nbytes| built.nice_len(nbytes));
        self.mf.map(|finder| built.match_finder(finder));
        self.depth.map(|depth| built.depth(depth));
        Ok(built)
    }
}

/// The chain as the library has it, for one coder; `dictionary_nbytes` bounds the dictionary.
pub(super) fn chain(filters: &[Filter], dictionary_nbytes: u32) -> Result<Filters> {
    let mut chain = Filters::new();
    for filter in filters {
        filter.add(&mut chain, dictionary_nbytes)?;
    }
    Ok(chain)
}
