//! Clients that people have: curl and wrk.

use std::{
    net::{IpAddr, SocketAddr},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};

use crate::{command::describe, command::output, netns::Netns};

/// What curl reports of a transfer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transfer {
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// From the first SYN to the end of the handshake, seconds.
    pub connect_s: f64,
    /// From the first SYN to the last byte, seconds.
    pub total_s: f64,
}

impl Transfer {
    /// Megabits per second after the handshake.
    #[must_use]
    pub fn mbit_per_s(&self) -> f64 {
        self.bytes as f64 * 8e-6 / (self.total_s - self.connect_s)
    }
}

/// The URL of a path at an address.
#[must_use]
pub fn url(at: SocketAddr, path: &str) -> String {
    format!("http://{at}/{path}")
}

/// Fetches a page: its body.
///
/// # Errors
/// curl fails, or has no answer within the time.
pub fn page(namespace: &Netns, from: Option<IpAddr>, at: SocketAddr, patience_s: f64) -> Result<Vec<u8>> {
    let mut curl = namespace.command("curl");
    curl.args(["--silent", "--show-error", "--max-time", &patience_s.to_string()]);
    if let Some(from) = from {
        curl.args(["--interface", &from.to_string()]);
    }
    curl.arg(url(at, ""));
    let line = describe(&curl);
    let done = curl.stdin(Stdio::null()).output().context("cannot start curl")?;
    ensure!(
        done.status.success(),
        "`{line}`: {}",
        String::from_utf8_lossy(&done.stderr).trim()
    );
    Ok(done.stdout)
}

/// Downloads a file and throws it away.
///
/// # Errors
/// curl fails, or takes longer than the time.
pub fn download(
    namespace: &Netns,
    from: Option<IpAddr>,
    at: SocketAddr,
    path: &str,
    patience_s: u32,
) -> Result<Transfer> {
    let mut curl = namespace.command("curl");
    curl.args(["--silent", "--show-error", "--fail", "--output", "/dev/null"]);
    curl.args(["--max-time", &patience_s.to_string()]);
    curl.args(["--write-out", "%{size_download} %{time_connect} %{time_total}"]);
    if let Some(from) = from {
        curl.args(["--interface", &from.to_string()]);
    }
    curl.arg(url(at, path));
    let text = output(&mut curl)?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    ensure!(numbers.len() == 3, "curl printed {text:?}");
    Ok(Transfer {
        bytes: numbers[0] as u64,
        connect_s: numbers[1],
        total_s: numbers[2],
    })
}

/// What wrk reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Answers.
    pub requests: u64,
    /// Connections that failed, broke or stalled, and answers that were errors.
    pub errors: u64,
}

/// Runs wrk with so many connections for a time.
///
/// # Errors
/// wrk fails.
pub fn work(namespace: &Netns, at: SocketAddr, connections: u32, seconds: u32) -> Result<Work> {
    let mut wrk = namespace.command("wrk");
    wrk.args(["--threads", "1", "--timeout", "5s"]);
    wrk.args([
        "--connections",
        &connections.to_string(),
        "--duration",
        &format!("{seconds}s"),
    ]);
    wrk.arg(url(at, ""));
    let text = output(&mut wrk)?;
    parse(&text).with_context(|| format!("wrk printed {text:?}"))
}

fn parse(text: &str) -> Option<Work> {
    let number = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().ok();
    let requests = text
        .lines()
        .find(|line| line.contains(" requests in "))
        .and_then(|line| number(line.split_whitespace().next()?))?;
    let sum = |line: &str| -> u64 { line.split([' ', ',']).filter_map(number).sum() };
    let errors = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("Socket errors:") || line.starts_with("Non-2xx"))
        .map(sum)
        .sum();
    Some(Work { requests, errors })
}

#[cfg(test)]
mod tests {
    use super::{Work, parse};

    #[test]
    fn wrks_report_is_understood() {
        let calm = "Running 1s test @ http://10.0.0.1/\n  1 threads and 10 connections\n  Thread Stats   Avg\n  \
                    31415 requests in 1.10s, 6.45MB read\nRequests/sec:  28559.09\n";
        assert_eq!(
            parse(calm),
            Some(Work {
                requests: 31_415,
                errors: 0
            })
        );
        let bad = "  12 requests in 1.10s, 6.45MB read\n  Socket errors: connect 3, read 1, write 0, timeout 2\n";
        assert_eq!(
            parse(bad),
            Some(Work {
                requests: 12,
                errors: 6
            })
        );
    }
}
