//! The host's TCP as it is now, and how busy the host is: looked at each second, because listeners come and go, addresses move from host to host,
//! and sysctls are changed behind our back.

use std::{collections::BTreeSet, fs, io, net::IpAddr};

use anyhow::Context as _;

use super::{
    HostFacts, Interface, Listening, Sysctls,
    chosen::Choices,
    load::{self, CpuTime},
    sockets,
};

/// One look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TcpFacts {
    /// What TCP is told to do.
    pub sysctls: Sysctls,
    /// Interfaces with their addresses and MTUs.
    pub interfaces: Vec<Interface>,
    /// Every socket that listens.
    pub listening: Vec<Listening>,
    /// Cookies that the kernel itself sent so far (`SyncookiesSent`).
    pub cookies_sent: u64,
    /// The time of each CPU so far.
    pub cpus: Vec<CpuTime>,
    /// What could not be looked at, and why.
    pub problems: Vec<String>,
}

/// Looks again and again, and remembers what need not be asked twice.
#[derive(Debug, Default)]
pub struct Looker {
    choices: Choices,
}

impl Looker {
    /// Looks.
    ///
    /// # Errors
    /// If the kernel does not tell its interfaces. What else cannot be read is told in `problems`.
    pub async fn look(&mut self) -> anyhow::Result<TcpFacts> {
        let interfaces = HostFacts::read_interfaces().await?;
        let mut choices = std::mem::take(&mut self.choices);
        let looked = tokio::task::spawn_blocking(move || {
            let facts = TcpFacts::with_interfaces(interfaces, &mut choices);
            (facts, choices)
        });
        let (facts, choices) = looked.await.context("cannot look at the sockets of this host")?;
        self.choices = choices;
        Ok(facts)
    }
}

impl TcpFacts {
    /// Looks once.
    ///
    /// # Errors
    /// As for [`Looker::look`].
    pub async fn read() -> anyhow::Result<Self> {
        Looker::default().look().await
    }

    fn with_interfaces(interfaces: Vec<Interface>, choices: &mut Choices) -> Self {
        let mut problems = Vec::new();
        let mut listening = sockets::listening().unwrap_or_else(|error| {
            problems.push(format!(
                "the listening sockets of this host cannot be read ({error}): connections made by cookie have no window scaling"
            ));
            Vec::new()
        });
        choices.fill(&mut listening);
        Self {
            sysctls: Sysctls::read(),
            interfaces,
            listening,
            cookies_sent: cookies_sent().unwrap_or(0),
            cpus: load::cpu_times().unwrap_or_default(),
            problems,
        }
    }

    /// The addresses that this host has itself, so that its own sockets know their connections.
    #[must_use]
    pub fn own_addresses(&self) -> BTreeSet<IpAddr> {
        self.interfaces
            .iter()
            .flat_map(|interface| interface.addresses.iter().copied())
            .collect()
    }
}

/// `TcpExt: SyncookiesSent` of this network namespace (netstat(8)).
fn cookies_sent() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/net/netstat")?;
    find_counter(&text, "TcpExt:", "SyncookiesSent").ok_or(io::Error::from(io::ErrorKind::InvalidData))
}

/// A counter in pairs of lines, one of names and one of values, that begin with the same word.
fn find_counter(text: &str, section: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(section));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|found| found == name)?;
    values.split_whitespace().nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_names() {
        let text = "TcpExt: SyncookiesSent SyncookiesRecv\nTcpExt: 17 4\nIpExt: InNoRoutes\nIpExt: 1\n";
        assert_eq!(find_counter(text, "TcpExt:", "SyncookiesSent"), Some(17));
        assert_eq!(find_counter(text, "TcpExt:", "SyncookiesRecv"), Some(4));
        assert_eq!(find_counter(text, "TcpExt:", "Nothing"), None);
        assert!(cookies_sent().is_ok());
    }

    #[tokio::test]
    async fn this_host_can_be_looked_at() {
        let facts = TcpFacts::read().await.expect("netlink answers");
        assert!(
            facts.own_addresses().contains(&IpAddr::from([127, 0, 0, 1])),
            "{facts:?}"
        );
        assert!(facts.problems.is_empty(), "{facts:?}");
    }
}
