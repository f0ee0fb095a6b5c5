//! Where /proc and /sys are: in a container the host's may be elsewhere, and tests have trees of their own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::doctor::facts::Seen;

/// The two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// procfs.
    pub proc: PathBuf,
    /// sysfs.
    pub sys: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
        }
    }
}

impl Places {
    /// A sysctl, by its name with dots, or with slashes where a part of it has dots.
    pub(super) fn sysctl(&self, name: &str) -> PathBuf {
        let path = if name.contains('/') {
            name.to_owned()
        } else {
            name.replace('.', "/")
        };
        self.proc.join("sys").join(path)
    }

    /// A sysctl that is a number.
    pub(super) fn number(&self, name: &str) -> Seen<u64> {
        let path = self.sysctl(name);
        match fs::read_to_string(&path) {
            Ok(text) => text
                .trim()
                .parse()
                .map_err(|_| format!("{name} is {:?}, no number", text.trim())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(format!("this kernel, or this network namespace, does not show {name}"))
            }
            Err(error) => Err(why(&path, &error)),
        }
    }
}

/// A file's text, trimmed.
pub(super) fn text(path: &Path) -> Seen<String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(why(path, &error)),
    }
}

/// Why a file cannot be read.
pub(super) fn why(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!("only root may read {}", path.display()),
        io::ErrorKind::NotFound => format!("there is no {}", path.display()),
        _ => format!("{}: {error}", path.display()),
    }
}

/// Whether a directory is there; an error where this process may not look.
pub(super) fn is_there(path: &Path) -> Seen<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(why(path, &error)),
    }
}
