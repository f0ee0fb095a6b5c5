//! Sysctls as they were before the agent set them, so that `detach` can put them back.

use std::{collections::BTreeMap, fmt};

use crate::host::{Sysctl, Sysctls};

/// What was set in one boot: a boot brings the system's own values back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormerSysctls {
    /// The boot in which they were set.
    pub boot: String,
    /// Values from before.
    pub values: BTreeMap<Sysctl, u32>,
}

impl FormerSysctls {
    /// What is to be put back now: what was set in this boot and is still as it was set.
    #[must_use]
    pub fn to_put_back(&self, boot: &str, now: &Sysctls) -> Vec<(Sysctl, u32)> {
        if self.boot != boot {
            return Vec::new();
        }
        let untouched = |sysctl: Sysctl| sysctl.of(now) == Sysctl::WANTED;
        // In the reverse of the order in which they were set.
        let in_order = Sysctl::ALL.into_iter().rev().filter(|sysctl| untouched(*sysctl));
        in_order
            .filter_map(|sysctl| Some((sysctl, *self.values.get(&sysctl)?)))
            .collect()
    }

    /// Notes a value from before. One that was noted in this boot already stays: what was there the second time was ours.
    #[must_use]
    pub fn with(&self, boot: &str, sysctl: Sysctl, value: u32) -> Self {
        let mut values = if self.boot == boot {
            self.values.clone()
        } else {
            BTreeMap::new()
        };
        values.entry(sysctl).or_insert(value);
        Self {
            boot: boot.to_owned(),
            values,
        }
    }

    /// Reads what `Display` wrote; a line that makes no sense is as good as none.
    pub(super) fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let boot = lines.next().unwrap_or_default().to_owned();
        let value = |line: &str| {
            let (name, value) = line.split_once('=')?;
            let sysctl = Sysctl::ALL.into_iter().find(|sysctl| sysctl.name() == name)?;
            Some((sysctl, value.parse().ok()?))
        };
        Self {
            boot,
            values: lines.filter_map(value).collect(),
        }
    }
}

impl fmt::Display for FormerSysctls {
    /// The boot, then `name=value` per line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.boot)?;
        for (sysctl, value) in &self.values {
            writeln!(f, "{sysctl}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ladder::Syncookies;

    fn both_set() -> Sysctls {
        Sysctls {
            syncookies: Syncookies::Always,
            timestamps: 2,
            ..Sysctls::default()
        }
    }

    #[test]
    fn they_read_back() {
        let former = FormerSysctls::default()
            .with("boot", Sysctl::Timestamps, 1)
            .with("boot", Sysctl::Syncookies, 0);
        assert_eq!(FormerSysctls::parse(&former.to_string()), former);
        assert_eq!(FormerSysctls::parse(""), FormerSysctls::default());
        assert_eq!(
            FormerSysctls::parse("boot\nx=y\nnet.ipv4.tcp_timestamps=z")
                .values
                .len(),
            0
        );
    }

    #[test]
    fn what_is_ours_is_put_back_and_nothing_else() {
        let former = FormerSysctls::default()
            .with("boot", Sysctl::Timestamps, 1)
            .with("boot", Sysctl::Syncookies, 0);
        let all = [(Sysctl::Syncookies, 0), (Sysctl::Timestamps, 1)];
        assert_eq!(former.to_put_back("boot", &both_set()), all);
        assert!(former.to_put_back("another boot", &both_set()).is_empty());
        let changed_since = Sysctls {
            timestamps: 0,
            ..both_set()
        };
        assert_eq!(former.to_put_back("boot", &changed_since), all[..1]);
    }

    #[test]
    fn the_first_value_of_a_boot_stays() {
        let former = FormerSysctls::default().with("boot", Sysctl::Timestamps, 1);
        assert_eq!(former.with("boot", Sysctl::Timestamps, 2), former);
        let rebooted = former.with("next", Sysctl::Timestamps, 0);
        assert_eq!(rebooted.values, [(Sysctl::Timestamps, 0)].into());
    }
}
