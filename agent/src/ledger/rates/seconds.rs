//! Seconds of one subject in a blob: single-precision numbers, only those that there are.

use jiff::Timestamp;

use super::{
    SecondRow,
    block::{From, Out, deflate, inflate, of_standing, to_standing},
    numbers::MEANS,
};
use crate::detect::Rates;

/// Of the layout below.
const VERSION: u8 = 1;

/// Writes seconds.
pub(super) fn write(rows: &[SecondRow]) -> Vec<u8> {
    let mut out = Out(vec![VERSION]);
    out.number(rows.len() as u64);
    let mut before = 0;
    for row in rows {
        let at = row.from.as_millisecond();
        out.signed(at - before);
        before = at;
        out.0.push(of_standing(&row.standing));
        out.float(row.standing.syn_threshold.unwrap_or(-1.0));
        let means = row.rates.numbers();
        let there = means
            .iter()
            .enumerate()
            .fold(0, |bits, (index, value)| bits | u64::from(*value != 0.0) << index);
        out.number(there);
        for value in means.iter().filter(|value| **value != 0.0) {
            out.float(*value);
        }
    }
    deflate(&out.0)
}

/// Reads them; `None` for what is none of ours.
pub(super) fn read(blob: &[u8]) -> Option<Vec<SecondRow>> {
    let raw = inflate(blob)?;
    let mut from = From(&raw);
    if from.byte()? != VERSION {
        return None;
    }
    let mut rows = Vec::new();
    let mut at = 0_i64;
    for _ in 0..from.number()? {
        at = at.checked_add(from.signed()?)?;
        let standing = from.byte()?;
        let threshold = from.float()?;
        let there = from.number()?;
        let mut means = [0.0; MEANS];
        for index in (0..64).filter(|index| there >> index & 1 != 0) {
            let value = from.float()?;
            // A newer agent may know more.
            if let Some(mean) = means.get_mut(index) {
                *mean = value;
            }
        }
        rows.push(SecondRow {
            from: Timestamp::from_millisecond(at).ok()?,
            rates: Rates::of_numbers(&means),
            standing: to_standing(standing, threshold),
        });
    }
    Some(rows)
}
