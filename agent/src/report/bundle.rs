//! The evidence for the provider's ticket: one tar with the report in every form, its plots, its rates as CSV, and the packets.

use std::io::Write;

use jiff::tz::TimeZone;
use tar::{Builder, Header};

use super::{Format, Report, csv, plot};

/// Writes the archive. The sentences name captures that cannot be read, and are left out.
///
/// # Errors
/// If it cannot be written.
pub fn write(report: &Report, zone: &TimeZone, to: impl Write) -> anyhow::Result<Vec<String>> {
    let directory = format!("attack-{}", report.attack.id);
    let mut tar = Builder::new(to);
    let mut put = |name: &str, bytes: &[u8]| -> std::io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(u64::try_from(report.made.as_second()).unwrap_or(0));
        tar.append_data(&mut header, format!("{directory}/{name}"), bytes)
    };
    put("report.md", report.write(Format::Md, zone)?.as_bytes())?;
    put("report.html", report.write(Format::Html, zone)?.as_bytes())?;
    put("summary.json", report.write(Format::Json, zone)?.as_bytes())?;
    put("rates.csv", &csv::write(report)?)?;
    for plot in plot::all(report, zone) {
        put(&format!("{}.svg", plot.name), plot.svg.as_bytes())?;
    }
    let mut left_out = Vec::new();
    for capture in &report.captures {
        let name = capture
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match std::fs::read(&capture.path) {
            Ok(bytes) => put(&format!("captures/{name}"), &bytes)?,
            Err(error) => left_out.push(format!("{} is left out: {error}", capture.path.display())),
        }
    }
    tar.into_inner()?.flush()?;
    Ok(left_out)
}
