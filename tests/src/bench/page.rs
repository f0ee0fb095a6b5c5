//! What the overview page takes with 4,096 addresses of which sixteen are flooded: time from the first byte of the request to the last of
//! the answer, and its size.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    detection::ALSO,
    footprint::SETTLE,
    median,
    row::{Row, Target},
};
use crate::{
    actor::Actor,
    addresses::vips,
    levee::{Agent, Settings},
    topology::Topology,
};

/// The names of the rows.
pub(super) const ROWS: &[&str] = &["page_overview", "page_overview_worst", "page_overview_size"];

/// Pages that are asked for.
const PAGES: usize = 40;
/// Curves fill meanwhile.
const FLOOD: Duration = Duration::from_secs(8);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

pub(super) fn measure() -> Result<Vec<Row>> {
    let topology = Topology::direct()?;
    let settings = Settings {
        protect_also: (0..ALSO).map(|n| format!("10.99.{}.{}", n / 256, n % 256)).collect(),
        ..Settings::default()
    };
    let _agent = Agent::start(&topology, &settings, false)?;
    thread::sleep(SETTLE);
    let targets: Vec<String> = vips().iter().map(ToString::to_string).collect();
    let arguments = [
        "--sources",
        "spoofed",
        "--rate",
        "200000",
        "--seconds",
        "18",
        "--v6-percent",
        "50",
    ];
    let mut flood = Actor::flood(&topology, &[&arguments[..], &["--target", &targets.join(",")]].concat())?;
    thread::sleep(FLOOD);
    let mut times = Vec::new();
    let mut largest = 0;
    for _ in 0..PAGES {
        let (time, bytes) = topology.balancer().enter(page)?;
        times.push(time.as_secs_f64() * 1e3);
        largest = largest.max(bytes);
        thread::sleep(Duration::from_millis(50));
    }
    flood.stop()?;
    flood.flood_report()?;
    let worst = times.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Row::absolute("page_overview", median(&mut times), "ms", Target::AtMost(100.0)),
        Row::absolute("page_overview_worst", worst, "ms", Target::Orientation),
        Row::absolute("page_overview_size", largest as f64 / 1e3, "kB", Target::AtMost(200.0)),
    ])
}

fn page() -> Result<(Duration, usize)> {
    let mut stream = TcpStream::connect("127.0.0.1:9667").context("the page does not answer")?;
    let start = Instant::now();
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let time = start.elapsed();
    let text = String::from_utf8_lossy(&answer);
    ensure!(
        text.starts_with("HTTP/1.1 200") && text.contains("of 4,096 addresses"),
        "not the overview: {text}"
    );
    Ok((time, answer.len()))
}
