//! What the host's TCP is told to do (`net.ipv4.tcp_*`), as far as a SYN-ACK shows it. The agent's own network namespace
//! counts: its view is what `/proc/sys/net` shows to this process.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::ladder::Syncookies;

/// Where sysctls are.
const DIRECTORY: &str = "/proc/sys";

/// Since this version the kernel learns by itself what of a receive buffer is data, and begins with a half.
const IGNORES_ADV_WIN_SCALE: (u32, u32) = (6, 6);

/// A sysctl that the agent may set, see `verify.set_sysctls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sysctl {
    /// `net.ipv4.tcp_timestamps`.
    Timestamps,
    /// `net.ipv4.tcp_syncookies`.
    Syncookies,
}

impl Sysctl {
    /// Those that the agent may set, in the order in which they are set: no cookie is made before the kernel reads the
    /// timestamps of cookies.
    pub const ALL: [Self; 2] = [Self::Timestamps, Self::Syncookies];
    /// What each is set to.
    pub const WANTED: u32 = 2;

    /// As sysctl(8) names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timestamps => "net.ipv4.tcp_timestamps",
            Self::Syncookies => "net.ipv4.tcp_syncookies",
        }
    }

    /// Its value now.
    #[must_use]
    pub const fn of(self, sysctls: &Sysctls) -> u32 {
        match self {
            Self::Timestamps => sysctls.timestamps,
            Self::Syncookies => sysctls.syncookies.sysctl(),
        }
    }

    /// Writes a value.
    ///
    /// # Errors
    /// If the kernel refuses (a container with a read-only `/proc/sys`).
    pub fn write(self, value: u32) -> io::Result<()> {
        fs::write(path(Path::new(DIRECTORY), self.name()), format!("{value}\n"))
    }
}

/// The files by which [`Sysctl::write`] writes.
pub fn sysctl_files() -> impl Iterator<Item = PathBuf> {
    Sysctl::ALL
        .into_iter()
        .map(|sysctl| path(Path::new(DIRECTORY), sysctl.name()))
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The sysctls that decide what a SYN-ACK of this host says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctls {
    /// `net.ipv4.tcp_syncookies`.
    pub syncookies: Syncookies,
    /// `net.ipv4.tcp_timestamps`: 0 none, 1 disguised by a random offset, 2 plain.
    pub timestamps: u32,
    /// `net.ipv4.tcp_sack`.
    pub sack: bool,
    /// `net.ipv4.tcp_window_scaling`.
    pub window_scaling: bool,
    /// `net.ipv4.tcp_ecn` is not 0: the host takes up ECN where a client offers it.
    pub ecn: bool,
    /// `net.ipv4.tcp_rmem`: least, default and most bytes of a receive buffer.
    pub receive_memory: [u32; 3],
    /// `net.core.rmem_max`; 0 where the namespace does not show it.
    pub receive_memory_max: u32,
    /// `net.ipv4.tcp_adv_win_scale`; 1, which is its default, for kernels that do not heed it (6.6 and later).
    pub adv_win_scale: i32,
    /// `net.ipv4.tcp_workaround_signed_windows`.
    pub signed_windows: bool,
}

impl Default for Sysctls {
    /// Linux' own, and no cookies: what can be done where nothing can be read.
    fn default() -> Self {
        Self {
            syncookies: Syncookies::Never,
            timestamps: 1,
            sack: true,
            window_scaling: true,
            ecn: true,
            receive_memory: [4_096, 131_072, 6_291_456],
            receive_memory_max: 0,
            adv_win_scale: 1,
            signed_windows: false,
        }
    }
}

impl Sysctls {
    /// Reads them; one that cannot be read counts as its default.
    #[must_use]
    pub fn read() -> Self {
        Self::read_at(Path::new(DIRECTORY))
    }

    /// The same, of a tree that is elsewhere.
    #[must_use]
    pub fn read_at(directory: &Path) -> Self {
        let mut sysctls = Self::from(|name| fs::read_to_string(path(directory, name)).ok());
        if super::kernel_version().is_none_or(|version| version >= IGNORES_ADV_WIN_SCALE) {
            sysctls.adv_win_scale = Self::default().adv_win_scale;
        }
        sysctls
    }

    fn from(text_of: impl Fn(&str) -> Option<String>) -> Self {
        let numbers = |name: &str| -> Option<Vec<i64>> {
            let text = text_of(name)?;
            text.split_whitespace().map(|word| word.parse().ok()).collect()
        };
        let one = |name: &str| numbers(name)?.first().copied();
        let unsigned = |name: &str| u32::try_from(one(name)?).ok();
        let flag = |name: &str, otherwise: bool| one(name).map_or(otherwise, |value| value != 0);
        let default = Self::default();
        let receive_memory = numbers("net.ipv4.tcp_rmem").and_then(|numbers| {
            let numbers: Vec<u32> = numbers
                .into_iter()
                .filter_map(|number| number.try_into().ok())
                .collect();
            numbers.try_into().ok()
        });
        Self {
            syncookies: unsigned(Sysctl::Syncookies.name()).map_or(default.syncookies, Syncookies::from_sysctl),
            timestamps: unsigned(Sysctl::Timestamps.name()).unwrap_or(default.timestamps),
            sack: flag("net.ipv4.tcp_sack", default.sack),
            window_scaling: flag("net.ipv4.tcp_window_scaling", default.window_scaling),
            ecn: flag("net.ipv4.tcp_ecn", default.ecn),
            receive_memory: receive_memory.unwrap_or(default.receive_memory),
            receive_memory_max: unsigned("net.core.rmem_max").unwrap_or(default.receive_memory_max),
            adv_win_scale: one("net.ipv4.tcp_adv_win_scale")
                .and_then(|value| value.try_into().ok())
                .unwrap_or(default.adv_win_scale),
            signed_windows: flag("net.ipv4.tcp_workaround_signed_windows", default.signed_windows),
        }
    }

    /// As they are once one is set.
    pub fn set(&mut self, sysctl: Sysctl) {
        match sysctl {
            Sysctl::Timestamps => self.timestamps = Sysctl::WANTED,
            Sysctl::Syncookies => self.syncookies = Syncookies::from_sysctl(Sysctl::WANTED),
        }
    }

    /// As they are once all are set.
    pub fn set_all(&mut self) {
        for sysctl in Sysctl::ALL {
            self.set(sysctl);
        }
    }

    /// What differs between two readings, by name, with both values.
    #[must_use]
    pub fn differences(&self, later: &Self) -> Vec<(&'static str, String, String)> {
        let before = self.named();
        let after = later.named();
        before
            .into_iter()
            .zip(after)
            .filter(|((_, was), (_, is))| was != is)
            .map(|((name, was), (_, is))| (name, was, is))
            .collect()
    }

    /// Each with its value, as sysctl(8) shows it.
    #[must_use]
    pub fn named(&self) -> [(&'static str, String); 7] {
        let [least, default, most] = self.receive_memory;
        let flag = |value: bool| u8::from(value).to_string();
        [
            (Sysctl::Syncookies.name(), self.syncookies.sysctl().to_string()),
            (Sysctl::Timestamps.name(), self.timestamps.to_string()),
            ("net.ipv4.tcp_window_scaling", flag(self.window_scaling)),
            ("net.ipv4.tcp_sack", flag(self.sack)),
            ("net.ipv4.tcp_ecn", if self.ecn { "on" } else { "0" }.to_owned()),
            ("net.ipv4.tcp_rmem", format!("{least} {default} {most}")),
            ("net.core.rmem_max", self.receive_memory_max.to_string()),
        ]
    }
}

fn path(directory: &Path, name: &str) -> PathBuf {
    directory.join(name.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_by_their_names() {
        let read = Sysctls::from(|name| {
            Some(
                match name {
                    "net.ipv4.tcp_syncookies" => "2\n",
                    "net.ipv4.tcp_timestamps" => "2\n",
                    "net.ipv4.tcp_sack" => "0\n",
                    "net.ipv4.tcp_ecn" => "2\n",
                    "net.ipv4.tcp_rmem" => "4096\t87380\t33554432\n",
                    "net.core.rmem_max" => "212992\n",
                    "net.ipv4.tcp_adv_win_scale" => "-2\n",
                    _ => return None,
                }
                .to_owned(),
            )
        });
        let wanted = Sysctls {
            syncookies: Syncookies::Always,
            timestamps: 2,
            sack: false,
            receive_memory: [4_096, 87_380, 33_554_432],
            receive_memory_max: 212_992,
            adv_win_scale: -2,
            ..Sysctls::default()
        };
        assert_eq!(read, wanted);
    }

    #[test]
    fn nonsense_counts_as_the_default() {
        assert_eq!(Sysctls::from(|_| Some("x".to_owned())), Sysctls::default());
        assert_eq!(Sysctls::from(|_| None), Sysctls::default());
    }

    #[test]
    fn a_change_is_told_with_both_values() {
        let before = Sysctls::default();
        let after = Sysctls {
            timestamps: 2,
            ..before.clone()
        };
        assert_eq!(
            before.differences(&after),
            [("net.ipv4.tcp_timestamps", "1".to_owned(), "2".to_owned())]
        );
        assert!(before.differences(&before).is_empty());
    }

    #[test]
    fn this_host_has_them() {
        assert_ne!(Sysctls::read().receive_memory[2], 0);
    }
}
