//! Ranges of one value that lie close share a request.

use std::sync::Arc;

use super::{Access, ByteRange};
use crate::error::{Error, Result};
use crate::scratch::Bytes;

/// Ranges as they are asked for, and where in the answers those that were wanted lie.
pub struct Merged {
    pub ranges: Vec<ByteRange>,
    /// For each wanted range: which answer holds it, and from where to where. Empty where nothing was merged.
    places: Vec<(usize, usize, usize)>,
}

impl Merged {
    /// Merges ranges with gaps up to `access.merge_gap` between them, to at most `access.request_nbytes`.
    pub fn new(wanted: Vec<ByteRange>, access: Access) -> Self {
        let mut order: Vec<(u64, u64, usize)> = Vec::with_capacity(wanted.len());
        for (number, range) in wanted.iter().enumerate() {
            match *range {
                ByteRange::Range { offset, nbytes } => order.push((offset, offset.saturating_add(nbytes), number)),
                ByteRange::Whole | ByteRange::Suffix { .. } => return Self::unmerged(wanted),
            }
        }
        order.sort_unstable();
        let mut requests: Vec<(u64, u64)> = Vec::new();
        let mut places = vec![(0, 0, 0); wanted.len()];
        for (start, end, number) in order {
            match requests.last_mut() {
                Some((first, last))
                    if start.saturating_sub(*last) <= access.merge_gap
                        && end.max(*last) - *first <= access.request_nbytes =>
                {
                    *last = end.max(*last);
                }
                _ => requests.push((start, end)),
            }
            let first = requests[requests.len() - 1].0;
            places[number] = (requests.len() - 1, (start - first) as usize, (end - first) as usize);
        }
        if requests.len() == wanted.len() {
            return Self::unmerged(wanted);
        }
        let range = |(offset, end): (u64, u64)| ByteRange::Range {
            offset,
            nbytes: end - offset,
        };
        Merged {
            ranges: requests.into_iter().map(range).collect(),
            places,
        }
    }

    fn unmerged(wanted: Vec<ByteRange>) -> Self {
        Merged {
            ranges: wanted,
            places: Vec::new(),
        }
    }

    /// The wanted ranges of the answers; no bytes are copied.
    pub fn cut(&self, answers: Vec<Bytes<'static>>) -> Result<Vec<Bytes<'static>>> {
        if self.places.is_empty() {
            return Ok(answers);
        }
        let answers: Vec<Shared> = answers.into_iter().map(|bytes| Shared(Arc::new(bytes))).collect();
        let part = |&(request, from, to): &(usize, usize, usize)| {
            let answer = answers.get(request).filter(|answer| answer.0.len() >= to);
            let answer = answer.ok_or_else(|| Error::truncated("an answer is shorter than what was asked for"))?;
            Ok(Bytes::foreign(Box::new(answer.clone())).slice(from, to))
        };
        self.places.iter().map(part).collect()
    }
}

/// Bytes of several owners.
#[derive(Clone)]
struct Shared(Arc<Bytes<'static>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(offset: u64, nbytes: u64) -> ByteRange {
        ByteRange::Range { offset, nbytes }
    }

    fn access(merge_gap: u64, request_nbytes: u64) -> Access {
        Access {
            merge_gap,
            request_nbytes,
            whole_nbytes: 0,
            slow: true,
        }
    }

    fn value() -> Vec<u8> {
        (0..=255).collect()
    }

    fn answers(merged: &Merged) -> Vec<Bytes<'static>> {
        let answer = |range: &ByteRange| match *range {
            ByteRange::Range { offset, nbytes } => {
                Bytes::foreign(Box::new(value()[offset as usize..(offset + nbytes) as usize].to_vec()))
            }
            _ => unreachable!("only ranges are asked for here"),
        };
        merged.ranges.iter().map(answer).collect()
    }

    #[test]
    fn neighbours_share_a_request_in_any_order_and_come_back_in_theirs() {
        let wanted = vec![range(40, 4), range(0, 4), range(8, 4), range(6, 4), range(100, 2)];
        let merged = Merged::new(wanted, access(4, 1 << 20));
        assert_eq!(merged.ranges, [range(0, 12), range(40, 4), range(100, 2)]);
        let parts = merged.cut(answers(&merged)).unwrap();
        let firsts: Vec<(u8, usize)> = parts.iter().map(|part| (part[0], part.len())).collect();
        assert_eq!(firsts, [(40, 4), (0, 4), (8, 4), (6, 4), (100, 2)]);
    }

    #[test]
    fn a_request_does_not_exceed_its_size_and_gaps_count() {
        let wanted = vec![range(0, 10), range(10, 10), range(20, 10)];
        assert_eq!(
            Merged::new(wanted.clone(), access(0, 20)).ranges,
            [range(0, 20), range(20, 10)]
        );
        assert_eq!(Merged::new(wanted, access(0, 0)).ranges.len(), 3);
        let apart = vec![range(0, 1), range(6, 1)];
        assert_eq!(Merged::new(apart.clone(), access(4, 100)).ranges, apart);
    }

    #[test]
    fn other_requests_stand_alone_and_short_answers_are_told() {
        let wanted = vec![ByteRange::Suffix { nbytes: 4 }, range(0, 4), range(4, 4)];
        assert_eq!(Merged::new(wanted.clone(), access(9, 99)).ranges, wanted);
        let merged = Merged::new(vec![range(0, 4), range(4, 4)], access(0, 99));
        assert!(merged.cut(vec![Bytes::foreign(Box::new(vec![0; 7]))]).is_err());
    }
}
