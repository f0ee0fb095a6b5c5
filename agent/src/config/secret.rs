//! Secrets of the configuration: read from a file or from the environment when they are needed, and never shown.

use std::{borrow::Cow, fmt, fs, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

/// What stands before the path of a file.
const FILE: &str = "file:";
/// What stands before the name of a variable.
const ENVIRONMENT: &str = "env:";
/// A secret is smaller, bytes: a device or a log named by mistake is not read to its end.
const MOST: u64 = 16 * 1024;
/// What stands in texts in place of a secret.
const HIDDEN: &str = "[secret]";
/// Shorter texts are no secrets worth hiding, and would hide half of every sentence.
const SHORTEST: usize = 6;

/// A secret as it is written: `file:/path`, `env:NAME`, or the text itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret as it is written in the configuration.
    pub fn new(written: impl Into<String>) -> Self {
        Self(written.into())
    }

    /// The text, if it stands in the configuration itself.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        let elsewhere = self.0.starts_with(FILE) || self.0.starts_with(ENVIRONMENT);
        (!elsewhere).then_some(&*self.0)
    }

    /// The text, read now: a secret that was replaced holds from the next use on.
    ///
    /// # Errors
    /// Why it cannot be read, without a word of it.
    pub fn read(&self) -> Result<String, String> {
        if let Some(path) = self.0.strip_prefix(FILE) {
            return read_file(Path::new(path)).map_err(|error| format!("the secret in {path} cannot be read: {error}"));
        }
        if let Some(name) = self.0.strip_prefix(ENVIRONMENT) {
            return std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set, or is no text (UTF-8)"));
        }
        Ok(self.0.clone())
    }

    /// What is wrong with how it is written, if anything.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        if self.0.is_empty() {
            return Some("is empty: write file: and a path, env: and the name of a variable, or the text".to_owned());
        }
        if let Some(path) = self.0.strip_prefix(FILE)
            && !path.starts_with('/')
        {
            return Some("is not the absolute path of a file; begin it with file:/".to_owned());
        }
        let name = self.0.strip_prefix(ENVIRONMENT)?;
        let sound = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (!sound).then(|| "is not the name of an environment variable; write it as env:NAME".to_owned())
    }

    /// What is odd about where it is, as half a sentence.
    #[must_use]
    pub fn odd(&self) -> Option<String> {
        let path = self.0.strip_prefix(FILE)?;
        if let Err(why) = self.read() {
            return Some(format!("{why}; nothing is sent before it can"));
        }
        let mode = fs::metadata(path).ok()?.permissions().mode();
        (mode & 0o007 != 0).then(|| format!("{path} can be read by everybody on this host: chmod 600 {path}"))
    }
}

/// Where it is; what it is, never.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.literal().is_some() { HIDDEN } else { &self.0 })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

fn read_file(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST {
        return Err(std::io::Error::other("it is larger than 16 KiB"));
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(std::io::Error::other("it is empty"));
    }
    Ok(text.to_owned())
}

/// Takes secrets out of texts from elsewhere: an endpoint's answer, a hook's last words, an error of a library.
#[derive(Clone, Default)]
pub struct Scrubber(Vec<String>);

impl Scrubber {
    /// From now on this text is hidden, too.
    pub fn hide(&mut self, secret: &str) {
        if secret.len() >= SHORTEST && !self.0.iter().any(|known| known == secret) {
            self.0.push(secret.to_owned());
            // The longest first: a part that goes before the whole would leave the rest of it.
            self.0.sort_by_key(|known| std::cmp::Reverse(known.len()));
        }
    }

    /// The text without them.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scrubber({} secrets)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_and_never_shown() {
        let file = tempfile::NamedTempFile::new().expect("file");
        fs::write(file.path(), "hunter2hunter2\n").expect("written");
        let secret = Secret::new(format!("file:{}", file.path().display()));
        assert_eq!(secret.read(), Ok("hunter2hunter2".to_owned()));
        assert_eq!(secret.odd(), None, "a temporary file is its owner's alone");
        for secret in [secret, Secret::new("hunter2hunter2")] {
            let json = serde_json::to_string(&secret).expect("JSON");
            assert!(!format!("{secret} {secret:?} {json}").contains("hunter2"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_place() {
        let missing = Secret::new("file:/nowhere/token");
        assert!(missing.read().expect_err("no file").contains("/nowhere/token"));
        assert!(missing.odd().expect("told").contains("nothing is sent"));
        let unset = Secret::new("env:LEVEE_TEST_IS_NOT_SET");
        assert!(unset.read().expect_err("no variable").contains("LEVEE_TEST_IS_NOT_SET"));
        for (text, part) in [
            ("", "is empty"),
            ("file:token", "absolute"),
            ("env:A B", "name of an environment variable"),
        ] {
            assert!(Secret::new(text).wrong().expect(text).contains(part));
        }
    }

    #[test]
    fn a_file_for_everybody_is_odd() {
        let file = tempfile::NamedTempFile::new().expect("file");
        fs::write(file.path(), "hunter2").expect("written");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).expect("mode");
        let secret = Secret::new(format!("file:{}", file.path().display()));
        assert!(secret.odd().expect("told").contains("chmod 600"));
    }

    #[test]
    fn the_whole_secret_goes_even_where_a_part_of_it_is_one() {
        let mut scrubber = Scrubber::default();
        scrubber.hide("secretpart");
        scrubber.hide("/services/secretpart/tail");
        scrubber.hide("ok");
        assert_eq!(
            scrubber.clean("POST /services/secretpart/tail: ok, secretpart"),
            "POST [secret]: ok, [secret]"
        );
    }
}
