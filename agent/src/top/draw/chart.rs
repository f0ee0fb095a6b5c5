//! Two minutes of a rate: in one line against its threshold, or as a plot.

use ratatui::layout::Rect;

use super::cells::{Pen, Piece, piece, right};
use crate::{
    plain,
    recent::SECONDS,
    top::look::{Ink, Look},
};

/// Columns of the scale of a plot.
const SCALE: u16 = 9;

/// A rate of the last two minutes in one line. Half of the height is the threshold: below it a step is a quarter of it, above it a
/// doubling. So a glance tells from any line whether its address is over, in any colours, however small or large it is.
pub(super) fn against(series: &[u32], limit: u32, width: usize, look: Look) -> Vec<Piece> {
    let eighths = |rate: u32| match (rate, limit.max(1)) {
        (0, _) => 1,
        (rate, limit) if rate <= limit => (1 + u64::from(rate) * 4 / (u64::from(limit) + 1)) as usize,
        (rate, limit) => (5 + (rate / limit).max(1).ilog2() as usize).min(8),
    };
    let mut pieces: Vec<(String, Ink)> = Vec::new();
    for rate in columns(series, width) {
        let (sign, ink) = match rate {
            None => (' ', Ink::Plain),
            Some(rate) if rate > limit => (look.block(eighths(rate)), Ink::Alarm),
            Some(rate) => (look.block(eighths(rate)), Ink::Good),
        };
        match pieces.last_mut() {
            Some((text, last)) if *last == ink => text.push(sign),
            _ => pieces.push((sign.to_string(), ink)),
        }
    }
    pieces.into_iter().map(|(text, ink)| piece(text, ink)).collect()
}

/// The same without a threshold: the highest rate fills the height.
pub(super) fn alone(series: &[u32], width: usize, look: Look) -> String {
    let most = u64::from(series.iter().copied().max().unwrap_or(0)).max(1);
    let eighths = |rate: u32| (1 + u64::from(rate) * 7 / most) as usize;
    columns(series, width)
        .map(|rate| rate.map_or(' ', |rate| look.block(eighths(rate))))
        .collect()
}

/// One number for each column, the latest at the right: the highest of the seconds that fall to it.
fn columns(series: &[u32], width: usize) -> impl Iterator<Item = Option<u32>> {
    let seconds = SECONDS.div_ceil(width.max(1));
    (0..width).rev().map(move |column| {
        let end = series.len().saturating_sub(column * seconds);
        let start = series.len().saturating_sub((column + 1) * seconds);
        series[start..end].iter().copied().max()
    })
}

/// A plot with its scale: SYNs per second, and the threshold as a dotted line.
pub(super) fn plot(series: &[u32], limit: u32, area: Rect, pen: &mut Pen<'_>) {
    let rows = area.height.saturating_sub(1);
    if rows < 2 || area.width <= SCALE + 10 {
        return;
    }
    let width = usize::from(area.width - SCALE).min(SECONDS);
    let rates: Vec<Option<u32>> = columns(series, width).collect();
    let peak = rates.iter().flatten().copied().max().unwrap_or(0);
    let top = u64::from(peak.max(limit + limit / 4).max(1));
    let steps = u64::from(rows) * 8;
    // The row in which the threshold lies, counted from below.
    let threshold = (u64::from(limit) * steps / top / 8).min(u64::from(rows) - 1);
    for row in 0..u64::from(rows) {
        let below = (u64::from(rows) - 1 - row) * 8;
        let is_threshold = below / 8 == threshold;
        let label = match row {
            _ if is_threshold => plain::rate(f64::from(limit)),
            0 => plain::rate(top as f64),
            _ => String::new(),
        };
        let ink = if is_threshold { Ink::Caution } else { Ink::Faint };
        let mut pieces = vec![
            piece(right(&label, usize::from(SCALE) - 1, pen.look), ink),
            piece(" ", Ink::Plain),
        ];
        pieces.extend(rates.iter().map(|rate| {
            let eighths = rate.map_or(0, |rate| {
                (u64::from(rate) * steps).div_ceil(top).saturating_sub(below).min(8)
            });
            match (eighths, is_threshold) {
                (0, true) => piece(pen.look.dots(), Ink::Caution),
                (0, false) => piece(" ", Ink::Plain),
                (eighths, _) => {
                    let over = rate.is_some_and(|rate| rate > limit);
                    piece(
                        pen.look.block(eighths as usize),
                        if over { Ink::Alarm } else { Ink::Good },
                    )
                }
            }
        }));
        pen.row(area, row as u16, &pieces);
    }
    let seconds = SECONDS.div_ceil(width) * width;
    let start = format!("{} s ago", seconds.min(SECONDS));
    let gap = width.saturating_sub(start.len() + 3);
    let axis = format!("{:1$}{start}{2:gap$}now", "", usize::from(SCALE), "");
    pen.row(area, rows, &[piece(axis, Ink::Faint)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::look::Palette;

    const LOOK: Look = Look {
        palette: Palette::None,
        ascii: false,
    };

    #[test]
    fn each_column_has_the_highest_of_its_seconds_and_the_latest_is_at_the_right() {
        let mut series = vec![0; 119];
        series.push(7);
        assert_eq!(columns(&series, 3).collect::<Vec<_>>(), [Some(0), Some(0), Some(7)]);
        assert_eq!(columns(&[5], 3).collect::<Vec<_>>(), [None, None, Some(5)]);
        assert_eq!(
            columns(&series, 240).filter(Option::is_some).count(),
            120,
            "a second for each column at most"
        );
    }

    #[test]
    fn half_of_the_height_is_the_threshold() {
        let drawn = |rate: u32| alone_column(rate);
        assert_eq!([drawn(0), drawn(249), drawn(250), drawn(1_000)], ['▁', '▁', '▁', '▄']);
        assert_eq!(
            [drawn(1_001), drawn(2_000), drawn(4_000), drawn(900_000)],
            ['▅', '▆', '▇', '█']
        );
    }

    fn alone_column(rate: u32) -> char {
        let drawn = against(&[rate], 1_000, 1, LOOK);
        format!("{drawn:?}")
            .chars()
            .find(|c| ('▁'..='█').contains(c))
            .expect("a block")
    }
}
