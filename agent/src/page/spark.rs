//! Curves of the last seconds: a small one in each row, a large one on the page of an address. No axis needs a script or a style of its
//! own: everything is in attributes and classes.

use maud::{Markup, html};

use super::words;
use crate::recent::SECONDS;

/// Width and height of the small one in its own units; a second is one unit wide.
const SMALL: (usize, usize) = (SECONDS, 24);
/// Points of the small one: two seconds each, the higher of the two.
const TOGETHER: usize = 2;
/// Width and height of the large one.
const LARGE: (usize, usize) = (960, 200);
/// Room for numbers at its left and for times below.
const MARGIN: (usize, usize) = (64, 22);

/// The small curve; `threshold` is drawn where the curve comes near it.
pub(super) fn small(series: &[u32], threshold: Option<u32>) -> Markup {
    let (width, height) = SMALL;
    let top = top(series);
    let near = threshold.filter(|threshold| *threshold <= top);
    let y = |value: u32| height - 1 - scaled(value, top, height - 2);
    let label = label(series, near);
    html! {
        svg.spark viewBox={ "0 0 " (width) " " (height) } preserveAspectRatio="none" role="img" {
            title { (label) }
            @if let Some(threshold) = near { path.bar d={ "M0 " (y(threshold)) "h" (width) } {} }
            @if series.iter().all(|value| *value == 0) {
                path.line d={ "M0 " (height - 1) "h" (width) } {}
            } @else {
                polyline.line points=(points(series, y)) {}
            }
        }
    }
}

/// Points of the curve from the right: the latest second is always at the same place.
fn points(series: &[u32], y: impl Fn(u32) -> usize) -> String {
    let missing = SECONDS.saturating_sub(series.len());
    let mut text = String::new();
    for (index, together) in series.chunks(TOGETHER).enumerate() {
        if index > 0 {
            text.push(' ');
        }
        let highest = together.iter().copied().max().unwrap_or(0);
        text.push_str(&format!("{},{}", missing + index * TOGETHER, y(highest)));
    }
    text
}

/// The highest value that is drawn.
fn top(series: &[u32]) -> u32 {
    series.iter().copied().max().unwrap_or(0).max(1)
}

/// A value in steps of the height.
fn scaled(value: u32, top: u32, height: usize) -> usize {
    let steps = u64::from(value.min(top)) * height as u64 / u64::from(top);
    usize::try_from(steps).unwrap_or(height)
}

/// The curve in words.
fn label(series: &[u32], threshold: Option<u32>) -> String {
    let Some(now) = series.last() else {
        return "no SYNs seen yet".to_owned();
    };
    let rate = |value: u32| words::rate(f64::from(value));
    let over = threshold.map(|threshold| format!(", over the threshold of {}", rate(threshold)));
    format!(
        "{} SYN/s now, {} at most in {} s{}",
        rate(*now),
        rate(series.iter().copied().max().unwrap_or(0)),
        series.len(),
        over.unwrap_or_default()
    )
}

/// The large curve with its axes.
pub(super) fn large(series: &[u32], threshold: Option<u32>) -> Markup {
    let (width, height) = LARGE;
    let (left, below) = MARGIN;
    let near = threshold.filter(|threshold| *threshold / 4 <= top(series));
    let top = nice(top(series).max(near.unwrap_or(0)));
    let (inner_width, inner_height) = (width - left - 8, height - below - 16);
    let y = |value: u32| 12 + inner_height - scaled(value, top, inner_height);
    let x = |ago: usize| left + inner_width - ago * inner_width / SECONDS;
    let line: Vec<String> = series
        .iter()
        .rev()
        .enumerate()
        .map(|(ago, value)| format!("{},{}", x(ago), y(*value)))
        .collect();
    html! {
        svg.chart viewBox={ "0 0 " (width) " " (height) } role="img" {
            title { (label(series, near.filter(|threshold| series.iter().any(|value| value > threshold)))) }
            @for part in 0..=4u32 {
                @let value = top / 4 * part;
                path.grid d={ "M" (left) " " (y(value)) "h" (inner_width) } {}
                text.axis x=(left - 8) y=(y(value) + 4) text-anchor="end" { (words::rate(f64::from(value))) }
            }
            @for ago in (0..=SECONDS).step_by(30) {
                @let anchor = if ago == 0 { "end" } else { "middle" };
                text.axis x=(x(ago)) y=(height - 4) text-anchor=(anchor) {
                    @if ago == 0 { "now" } @else { "−" (ago) " s" }
                }
            }
            @if let Some(threshold) = near {
                path.bar d={ "M" (left) " " (y(threshold)) "h" (inner_width) } {}
                text.axis.mark x=(left + 6) y=(y(threshold).saturating_sub(5).max(10)) { "threshold " (words::rate(f64::from(threshold))) }
            }
            @if !line.is_empty() { polyline.line points=(line.join(" ")) {} }
        }
    }
}

/// The next number that four lines divide into round ones: steps of 1, 2, 5, 10, 20, ..
fn nice(value: u32) -> u32 {
    let mut step = 1u32;
    while step.saturating_mul(4) < value {
        step = if leading(step) == 2 {
            step / 2 * 5
        } else {
            step.saturating_mul(2)
        };
    }
    step.saturating_mul(4)
}

/// The first digit.
const fn leading(mut number: u32) -> u32 {
    while number >= 10 {
        number /= 10;
    }
    number
}

/// A bar of a share, drawn to its whole length at most.
pub(super) fn bar(share: f64) -> Markup {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a percentage"
    )]
    let width = (share.clamp(0.0, 1.0) * 100.0).round() as u32;
    html! {
        svg.part viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            rect.back width="100" height="6" {}
            rect.front.over[share > 1.0] width=(width) height="6" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_curve_says_what_it_shows() {
        let svg = small(&[0, 10, 400_000, 398_000], Some(20_000)).into_string();
        assert!(
            svg.contains("398.0k SYN/s now, 400.0k at most in 4 s, over the threshold of 20.0k"),
            "{svg}"
        );
        assert!(svg.contains("class=\"bar\"") && !svg.contains("style"), "{svg}");
        assert!(svg.contains("116,23 118,1"), "the latest is at the right: {svg}");
        assert!(small(&[], None).into_string().contains("no SYNs seen yet"));
    }

    #[test]
    fn a_small_curve_is_small() {
        let longest: Vec<u32> = (0..SECONDS as u32).map(|second| second * 37 % 1_000).collect();
        assert!(small(&longest, Some(1)).into_string().len() < 700);
    }

    #[test]
    fn lines_are_at_round_numbers() {
        for (value, top) in [(0, 4), (4, 4), (5, 8), (9, 20), (399_000, 400_000), (401_000, 800_000)] {
            assert_eq!(nice(value), top, "{value}");
        }
        assert!(nice(u32::MAX) > 0);
    }
}
