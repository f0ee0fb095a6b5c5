//! The last good version of each list, in the state directory: what a restart has while a source is down.

use std::{
    fs,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::parse::{Parsed, parse};
use crate::failpoint::{Point, reach};

/// The first line of a file, behind a `#`: about the version in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Heading {
    /// When it was read.
    read: Timestamp,
    /// From where.
    from: String,
    /// Lines of it that were no prefix.
    invalid: usize,
    /// Prefixes that follow: a file that was cut off is no version.
    prefixes: usize,
}

/// The directory.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

/// A version that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What was read.
    pub parsed: Parsed,
    /// When.
    pub read: Timestamp,
}

impl Store {
    /// In this state directory.
    #[must_use]
    pub fn new(state_directory: &Path) -> Self {
        Self {
            directory: state_directory.join("lists"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.list"))
    }

    /// Keeps a version in place of the one before. The file is there as a whole, or as it was.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn keep(&self, name: &str, from: &str, parsed: &Parsed, read: Timestamp) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let path = self.path(name);
        let new = path.with_extension("new");
        let mut file = BufWriter::new(fs::File::create(&new)?);
        let heading = Heading {
            read,
            from: from.to_owned(),
            invalid: parsed.invalid,
            prefixes: parsed.prefixes.len(),
        };
        writeln!(file, "#{}", serde_json::to_string(&heading)?)?;
        for prefix in parsed.prefixes.iter() {
            writeln!(file, "{prefix}")?;
        }
        file.into_inner()?.sync_all()?;
        reach(Point::ListFileWritten);
        fs::rename(&new, &path)?;
        reach(Point::ListFileKept);
        Ok(())
    }

    /// The version that was kept of a list from this source; one from another source is none.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what [`Self::keep`] wrote.
    pub fn last_good(&self, name: &str, from: &str) -> io::Result<Option<Kept>> {
        let text = match fs::read_to_string(self.path(name)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let broken = || io::Error::other("it is not as it was written");
        let first = text.lines().next().and_then(|line| line.strip_prefix('#'));
        let heading: Heading = serde_json::from_str(first.ok_or_else(broken)?)?;
        if heading.from != from {
            return Ok(None);
        }
        let mut parsed = parse(&text).map_err(io::Error::other)?;
        if parsed.invalid != 0 || parsed.prefixes.len() != heading.prefixes {
            return Err(broken());
        }
        parsed.invalid = heading.invalid;
        Ok(Some(Kept {
            parsed,
            read: heading.read,
        }))
    }

    /// Forgets lists that there are no more.
    pub fn keep_only(&self, names: &[&str]) {
        let Ok(files) = fs::read_dir(&self.directory) else {
            return;
        };
        for path in files.filter_map(Result::ok).map(|file| file.path()) {
            let name = path.file_name().and_then(|name| name.to_str());
            let of = name.and_then(|name| name.strip_suffix(".list").or_else(|| name.strip_suffix(".new")));
            if of.is_some_and(|name| !names.contains(&name))
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!("cannot remove {}: {error}", path.display());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::new(directory.path());
        assert!(store.last_good("a", "x").expect("no file is no error").is_none());
        let mut parsed = parse("10.0.0.0/8\n2001:db8::/32\n2001:db8::1\n").expect("a list");
        parsed.invalid = 2;
        let read = Timestamp::from_second(1_700_000_000).expect("a time");
        store.keep("a", "x", &parsed, read).expect("written");
        store.keep("b", "x", &parsed, read).expect("written");
        let kept = store.last_good("a", "x").expect("read").expect("there");
        assert_eq!((kept.parsed, kept.read), (parsed, read));
        assert_eq!(store.last_good("a", "y").expect("read"), None, "of another source");
        store.keep_only(&["a"]);
        assert_eq!(store.last_good("b", "x").expect("read"), None);
        let path = store.path("a");
        let whole = fs::read_to_string(&path).expect("text");
        fs::write(&path, &whole[..whole.len() - 8]).expect("cut off");
        store.last_good("a", "x").expect_err("a file that was cut off");
    }
}
