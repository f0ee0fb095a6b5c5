//! The counters of a namespace's TCP/IP stack, as `nstat` shows them.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};

use crate::netns::Netns;

/// All counters at one moment, by names such as `TcpInSegs`, `TcpExtSyncookiesRecv` and `Ip6InReceives`.
#[derive(Clone, Debug, Default)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// Reads them.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn read(namespace: &Netns) -> Result<Self> {
        let read = |file: &str| {
            // Not `/proc/net`, which is the namespace of the process's first thread.
            let file = format!("/proc/thread-self/net/{file}");
            fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))
        };
        let (snmp, netstat, snmp6) = namespace.enter(|| Ok((read("snmp")?, read("netstat")?, read("snmp6")?)))?;
        let mut counters = BTreeMap::new();
        add_tables(&mut counters, &snmp);
        add_tables(&mut counters, &netstat);
        for line in snmp6.lines() {
            if let Some((name, value)) = line.split_once(char::is_whitespace)
                && let Ok(value) = value.trim().parse()
            {
                counters.insert(name.to_owned(), value);
            }
        }
        Ok(Self(counters))
    }

    /// How much a counter has grown since `earlier`. One that the kernel does not have has not grown.
    #[must_use]
    pub fn since(&self, earlier: &Self, name: &str) -> u64 {
        let value = |counters: &Self| counters.0.get(name).copied().unwrap_or(0);
        value(self).saturating_sub(value(earlier))
    }

    /// Packets that have come up to IPv4 or IPv6 since `earlier`.
    #[must_use]
    pub fn received_since(&self, earlier: &Self) -> u64 {
        self.since(earlier, "IpInReceives") + self.since(earlier, "Ip6InReceives")
    }
}

/// Pairs of lines: `Tcp: InSegs OutSegs`, `Tcp: 5 7`.
fn add_tables(counters: &mut BTreeMap<String, u64>, text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks_exact(2) {
        let (Some((prefix, names)), Some((_, values))) = (pair[0].split_once(':'), pair[1].split_once(':')) else {
            continue;
        };
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            // Limits among the counters can be negative.
            if let Ok(value) = value.parse() {
                counters.insert(format!("{prefix}{name}"), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::add_tables;

    #[test]
    fn tables_are_pairs_of_lines() {
        let mut counters = BTreeMap::new();
        add_tables(
            &mut counters,
            "Ip: Forwarding InReceives\nIp: 1 7\nTcp: MaxConn InSegs\nTcp: -1 9\n",
        );
        assert_eq!(counters.get("IpInReceives"), Some(&7));
        assert_eq!(counters.get("TcpInSegs"), Some(&9));
        assert_eq!(counters.get("TcpMaxConn"), None);
    }
}
