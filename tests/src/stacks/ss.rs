//! What `ss` says of a connection: the options that both ends have agreed on.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};

use crate::{command::output, netns::Netns};

/// Options of one end of an established connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    /// Timestamps.
    pub timestamps: bool,
    /// Selective acknowledgements.
    pub sack: bool,
    /// Explicit congestion notification.
    pub ecn: bool,
    /// Window scales as `ss` prints them, the peer's first; none if windows are not scaled.
    pub window_scales: Option<String>,
    /// What it sends at most in a segment, bytes.
    pub mss: u32,
    /// What it has advertised, bytes.
    pub advertised_mss: u32,
    /// Path MTU, bytes.
    pub path_mtu: u32,
}

/// Options of the end of a connection that has these addresses.
///
/// # Errors
/// There is no such connection in the namespace.
pub fn negotiated(namespace: &Netns, local: SocketAddr, peer: SocketAddr) -> Result<Negotiated> {
    let (sport, dport) = (
        format!("sport = :{}", local.port()),
        format!("dport = :{}", peer.port()),
    );
    let text = output(
        namespace
            .command("ss")
            .args(["-tniHO", "state", "established", &sport, &dport]),
    )?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    ensure!(
        lines.len() == 1,
        "{} connections between {local} and {peer} in {}: {text}",
        lines.len(),
        namespace.name()
    );
    parse(lines[0]).with_context(|| format!("cannot read {:?}", lines[0]))
}

/// How many sockets of the namespace are in a state (`syn-recv`, `time-wait`) at this local port.
///
/// # Errors
/// `ss` fails.
pub fn count(namespace: &Netns, state: &str, port: u16) -> Result<usize> {
    let sport = format!("sport = :{port}");
    let text = output(namespace.command("ss").args(["-tnH", "state", state, &sport]))?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).count())
}

fn parse(line: &str) -> Option<Negotiated> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
    let number = |key: &str| value(key)?.parse().ok();
    Some(Negotiated {
        timestamps: has("ts"),
        sack: has("sack"),
        ecn: has("ecn"),
        window_scales: value("wscale:").map(ToOwned::to_owned),
        mss: number("mss:")?,
        advertised_mss: number("advmss:")?,
        path_mtu: number("pmtu:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Negotiated, parse};

    #[test]
    fn a_line_of_ss_is_understood() {
        let line = "0 0 10.0.0.1:80 10.0.0.2:555 ts sack ecn ecnseen cubic wscale:7,10 rto:201 rtt:0.3/0.1 mss:1448 \
                    pmtu:1500 rcvmss:536 advmss:1448 cwnd:10";
        let expected = Negotiated {
            timestamps: true,
            sack: true,
            ecn: true,
            window_scales: Some("7,10".to_owned()),
            mss: 1_448,
            advertised_mss: 1_448,
            path_mtu: 1_500,
        };
        assert_eq!(parse(line), Some(expected));
    }

    #[test]
    fn options_that_are_not_there_are_not_seen() {
        let line = "0 0 10.0.0.1:80 10.0.0.2:555 cubic rto:201 mss:1460 pmtu:1500 rcvmss:536 advmss:1460";
        let found = parse(line).expect("a sound line");
        assert!(!found.timestamps && !found.sack && !found.ecn && found.window_scales.is_none());
    }
}
