//! Intervals of many subjects in one blob: numbers in steps of one byte, column by column, each as the difference to the interval
//! before, and then deflated. Neighbours in time are alike, most columns are empty, and so a busy address takes two to three
//! bytes for a minute.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{Read as _, Write as _},
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use jiff::Timestamp;

use super::{
    Interval, RateRow, code,
    numbers::{self, MEANS, NUMBERS},
};
use crate::{
    detect::{HostObservation, Rates, Standing, Subject},
    ladder::Rung,
};

/// Of the layout below.
const VERSION: u8 = 1;
/// More bytes than this are no block of ours: two days of minutes with 8,192 subjects fit.
const MOST_BYTES: u64 = 1 << 29;

/// Writes a block. Each subject needs its number.
pub(super) fn write(intervals: &[Interval], ids: &HashMap<Subject, u32>) -> Vec<u8> {
    let mut out = Out(vec![VERSION, u8::try_from(NUMBERS).unwrap_or(u8::MAX)]);
    out.number(intervals.len() as u64);
    let mut before = 0;
    for interval in intervals {
        let at = interval.from.as_millisecond();
        out.signed(at - before);
        before = at;
        out.float(interval.seconds);
        out.host(&interval.host);
    }
    let mut cells: BTreeMap<u32, Cells> = BTreeMap::new();
    for (index, interval) in intervals.iter().enumerate() {
        for row in &interval.rows {
            if let Some(id) = ids.get(&row.subject) {
                let cells = cells.entry(*id).or_insert_with(|| Cells::empty(intervals.len()));
                cells.put(index, row);
            }
        }
    }
    out.number(cells.len() as u64);
    let mut before = 0;
    for (id, cells) in &cells {
        out.number(u64::from(id - before));
        before = *id;
        out.float(cells.threshold.unwrap_or(-1.0));
    }
    for column in 0..=NUMBERS {
        for cells in cells.values() {
            let mut before = 0_u8;
            for row in &cells.rows {
                out.0.push(row[column].wrapping_sub(before));
                before = row[column];
            }
        }
    }
    deflate(&out.0)
}

/// Reads a block; of one subject only, if asked so. `None` for what is no block.
pub(super) fn read(
    blob: &[u8],
    subjects: &HashMap<u32, Subject>,
    only: Option<&BTreeSet<Subject>>,
) -> Option<Vec<Interval>> {
    let raw = inflate(blob)?;
    let mut from = From(&raw);
    if from.byte()? != VERSION {
        return None;
    }
    let columns = usize::from(from.byte()?);
    let count = usize::try_from(from.number()?).ok()?;
    let mut intervals = Vec::new();
    let mut at = 0_i64;
    for _ in 0..count {
        at = at.checked_add(from.signed()?)?;
        intervals.push(Interval {
            from: Timestamp::from_millisecond(at).ok()?,
            seconds: from.float()?,
            host: from.host()?,
            rows: Vec::new(),
        });
    }
    let known = from.number()?;
    let mut heads = Vec::new();
    let mut id = 0_u32;
    for _ in 0..known {
        id = id.checked_add(u32::try_from(from.number()?).ok()?)?;
        heads.push((id, from.float()?));
    }
    let column_bytes = heads.len().checked_mul(count)?;
    if from.0.len() != column_bytes.checked_mul(columns + 1)? {
        return None;
    }
    for (place, (id, threshold)) in heads.iter().enumerate() {
        let Some(subject) = subjects.get(id) else { continue };
        if only.is_some_and(|only| !only.contains(subject)) {
            continue;
        }
        let mut row = vec![0_u8; columns + 1];
        for (index, interval) in intervals.iter_mut().enumerate() {
            for (column, value) in row.iter_mut().enumerate() {
                *value = value.wrapping_add(from.0[column * column_bytes + place * count + index]);
            }
            interval.rows.extend(to_row(*subject, *threshold, &row));
        }
    }
    Some(intervals)
}

/// The bytes of one subject, by interval.
struct Cells {
    threshold: Option<f64>,
    rows: Vec<[u8; NUMBERS + 1]>,
}

impl Cells {
    fn empty(intervals: usize) -> Self {
        Self {
            threshold: None,
            rows: vec![[0; NUMBERS + 1]; intervals],
        }
    }

    fn put(&mut self, index: usize, row: &RateRow) {
        self.threshold = row.standing.syn_threshold;
        let means = row.rates.numbers();
        let all = means.into_iter().chain(numbers::of_peaks(&row.peaks));
        for (cell, value) in self.rows[index].iter_mut().zip(all) {
            *cell = code::of(value);
        }
        self.rows[index][NUMBERS] = of_standing(&row.standing);
    }
}

/// A row back from its bytes; `None` where there was no traffic. The last byte is what held; a block of an agent that knew fewer
/// numbers has none where they are.
fn to_row(subject: Subject, threshold: f64, bytes: &[u8]) -> Option<RateRow> {
    let (standing, codes) = bytes.split_last()?;
    if codes.iter().all(|code| *code == 0) {
        return None;
    }
    let number = |index: usize| codes.get(index).map_or(0.0, |code| code::rate(*code));
    Some(RateRow {
        subject,
        rates: Rates::of_numbers(&std::array::from_fn(number)),
        peaks: numbers::to_peaks(&std::array::from_fn(|index| number(MEANS + index))),
        standing: to_standing(*standing, threshold),
    })
}

/// What held, in a byte.
pub(super) fn of_standing(standing: &Standing) -> u8 {
    let rung = Rung::ALL.iter().position(|rung| *rung == standing.rung).unwrap_or(0);
    let rung = u8::try_from(rung).unwrap_or(0);
    u8::from(standing.excess) | u8::from(standing.counts_handshakes) << 1 | rung << 2
}

/// And back.
pub(super) fn to_standing(byte: u8, threshold: f64) -> Standing {
    Standing {
        syn_threshold: (threshold >= 0.0).then_some(threshold),
        excess: byte & 1 != 0,
        rung: Rung::ALL.get(usize::from(byte >> 2)).copied().unwrap_or(Rung::Upstream),
        counts_handshakes: byte & 2 != 0,
    }
}

pub(super) fn deflate(raw: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // Memory takes everything.
    let _ = encoder.write_all(raw);
    encoder.finish().unwrap_or_default()
}

pub(super) fn inflate(blob: &[u8]) -> Option<Vec<u8>> {
    let mut raw = Vec::new();
    DeflateDecoder::new(blob).take(MOST_BYTES).read_to_end(&mut raw).ok()?;
    Some(raw)
}

/// Bytes being written.
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    /// Seven bits to a byte, the lowest first (LEB128).
    #[expect(clippy::cast_possible_truncation, reason = "seven bits")]
    pub(super) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// The sign in the lowest bit.
    pub(super) fn signed(&mut self, value: i64) {
        self.number((value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned());
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough")]
    pub(super) fn float(&mut self, value: f64) {
        self.0.extend((value as f32).to_le_bytes());
    }

    fn host(&mut self, host: &HostObservation) {
        let HostObservation {
            receive_drops,
            softirq,
            distinct_sources,
            concentration,
        } = *host;
        for value in [receive_drops, softirq, distinct_sources.unwrap_or(-1.0), concentration] {
            self.float(value);
        }
    }
}

/// Bytes being read.
pub(super) struct From<'a>(pub(super) &'a [u8]);

impl From<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn float(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(f64::from(f32::from_le_bytes(*bytes)))
    }

    fn host(&mut self) -> Option<HostObservation> {
        Some(HostObservation {
            receive_drops: self.float()?,
            softirq: self.float()?,
            distinct_sources: Some(self.float()?).filter(|sources| *sources >= 0.0),
            concentration: self.float()?,
        })
    }
}
