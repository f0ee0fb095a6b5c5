//! Rates as SVG. Colours are plain, and the HTML gives them others in the dark (`html.rs` names them too).

use jiff::{Timestamp, tz::TimeZone};
use plotters::prelude::*;

use super::{RatePoint, Report, words};
use crate::detect::Rates;

/// Text and axes.
pub(super) const INK: RGBColor = RGBColor(0x3B, 0x3B, 0x3C);
/// Lines behind.
pub(super) const GRID: RGBColor = RGBColor(0xDC, 0xDC, 0xDD);
/// The time of the attack.
pub(super) const SHADE: RGBColor = RGBColor(0xF6, 0xEA, 0xE4);
/// Colours of series, told apart also by who sees fewer (Okabe and Ito 2008).
pub(super) const COLOURS: [RGBColor; 7] = [
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x80, 0x80, 0x80),
];
/// Width and height in pixels.
const SIZE: (u32, u32) = (960, 280);
/// A line breaks where nothing was recorded for so many times the length of its points.
const GAP: f64 = 2.5;

/// A plot.
pub(super) struct Plot {
    /// For the file's name.
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) title: &'static str,
    /// The picture.
    pub(super) svg: String,
}

/// One line of a plot.
struct Series {
    name: &'static str,
    of: fn(&RatePoint) -> Option<f64>,
}

/// The plots of a report; none without rates.
pub(super) fn all(report: &Report, zone: &TimeZone) -> Vec<Plot> {
    let rate = |name, of| Series { name, of };
    let syns = [
        rate("SYNs", |point| Some(point.rates.syn)),
        rate("threshold", |point| point.syn_threshold),
    ];
    // Beside a flood they would be a line on the ground.
    let handshakes = [rate("handshakes", |point| Some(point.rates.handshakes))];
    let verdicts = [
        rate("dropped", |point| Some(point.rates.dropped)),
        rate("passed", |point| Some(point.rates.passed)),
        rate("answered", |point| Some(point.rates.replied)),
    ];
    let vectors = [
        rate("UDP", |point| Some(point.rates.udp)),
        rate("TCP", |point| Some(point.rates.tcp)),
        rate("ICMP", |point| Some(point.rates.icmp)),
        rate("other", |point| Some(point.rates.other)),
        rate("fragments", |point| Some(point.rates.fragments)),
        rate("amplified", |point| Some(point.rates.amplified)),
        rate("malformed", |point| Some(point.rates.malformed)),
    ];
    let beside = |rates: &Rates| {
        rates.udp + rates.tcp + rates.icmp + rates.other + rates.fragments + rates.amplified + rates.malformed > 0.0
    };
    let mut plots = vec![
        draw(report, zone, "syns", "SYNs per second", &syns),
        draw(
            report,
            zone,
            "handshakes",
            "Completed handshakes per second: customers who got in",
            &handshakes,
        ),
        draw(report, zone, "verdicts", "Packets per second by verdict", &verdicts),
    ];
    if report.rates.iter().any(|point| beside(&point.rates)) {
        plots.push(draw(
            report,
            zone,
            "vectors",
            "Packets other than SYNs per second",
            &vectors,
        ));
    }
    plots.into_iter().flatten().collect()
}

fn draw(report: &Report, zone: &TimeZone, name: &'static str, title: &'static str, series: &[Series]) -> Option<Plot> {
    let (begin, end) = (report.rates.first()?.from, report.rates.last()?);
    let x = |at: Timestamp| at.duration_since(begin).as_secs_f64();
    let last = (x(end.from) + end.seconds).max(1.0);
    let series: Vec<&Series> = series.iter().filter(|one| has_any(report, one)).collect();
    let values = series.iter().flat_map(|one| report.rates.iter().filter_map(one.of));
    let top = values.fold(1.0, f64::max) * 1.08;
    let mut svg = String::new();
    let label = |seconds: &f64| {
        let at = begin
            .checked_add(jiff::SignedDuration::from_secs_f64(*seconds))
            .unwrap_or(begin);
        words::short_clock(at, zone)
    };
    let drawn = paint(&mut svg, (last, top), &label, report, &x, &series);
    drawn.ok().map(|()| Plot { name, title, svg })
}

fn has_any(report: &Report, series: &Series) -> bool {
    report
        .rates
        .iter()
        .any(|point| (series.of)(point).is_some_and(|value| value > 0.0))
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn paint(
    svg: &mut String,
    (last, top): (f64, f64),
    label: &dyn Fn(&f64) -> String,
    report: &Report,
    x: &dyn Fn(Timestamp) -> f64,
    series: &[&Series],
) -> Drawn {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin_top(28)
        .margin_right(14)
        .margin_bottom(6)
        .x_label_area_size(28)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..last, 0.0..top)?;
    let ends = (
        x(report.attack.started).clamp(0.0, last),
        x(report.end()).clamp(0.0, last),
    );
    chart.draw_series([Rectangle::new([(ends.0, 0.0), (ends.1, top)], SHADE.filled())])?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .x_labels(8)
        .y_labels(6)
        .x_label_formatter(label)
        .y_label_formatter(&|value| words::rate(*value))
        .label_style(("sans-serif", 14).into_font().color(&INK))
        .draw()?;
    for (one, colour) in series.iter().zip(COLOURS) {
        for line in lines(&report.rates, one, x) {
            chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
        }
    }
    let mut left = 62;
    for (one, colour) in series.iter().zip(COLOURS) {
        area.draw(&Rectangle::new([(left, 10), (left + 14, 14)], colour.filled()))?;
        let style = ("sans-serif", 14).into_font().color(&INK);
        area.draw(&Text::new(one.name, (left + 19, 5), style))?;
        left += 44 + 7 * i32::try_from(one.name.len()).unwrap_or(0);
    }
    area.present()?;
    Ok(())
}

/// The pieces of a line: it breaks where nothing was recorded.
fn lines(points: &[RatePoint], series: &Series, x: &dyn Fn(Timestamp) -> f64) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut due = f64::MIN;
    for point in points {
        let at = x(point.from);
        let Some(value) = (series.of)(point) else {
            due = f64::MIN;
            continue;
        };
        let middle = (at + point.seconds / 2.0, value);
        match pieces.last_mut().filter(|_| at <= due) {
            Some(piece) => piece.push(middle),
            None => pieces.push(vec![(at, value), middle]),
        }
        due = at + (point.seconds * GAP).max(3.0);
    }
    pieces
}
