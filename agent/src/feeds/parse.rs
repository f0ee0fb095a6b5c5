//! Reads the text of a list: one address or prefix a line with comments, or one JSON object a line. A line that is neither is
//! told with its number, and never left out without a word.

use std::fmt;

use ipnet::IpNet;
use serde_json::Value;

use super::prefixes::Prefixes;
use crate::config::prefix;

/// Invalid lines that are told one by one.
const TOLD: usize = 5;
/// Characters of an invalid line that are told.
const SHOWN: usize = 60;
/// Keys under which a JSON line has its prefix.
const KEYS: [&str; 4] = ["prefix", "cidr", "network", "ip"];

/// A line that is no prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidLine {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for InvalidLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// A list that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Its prefixes, in order.
    pub prefixes: Prefixes,
    /// Lines that are no prefix.
    pub invalid: usize,
    /// The first of them.
    pub told: Vec<InvalidLine>,
}

/// Reads a text.
///
/// # Errors
/// A text that is no list at all.
pub fn parse(text: &str) -> Result<Parsed, String> {
    if is_html(text) {
        return Err("is a page of HTML, not a list".to_owned());
    }
    let mut parsed = Parsed::default();
    for (at, line) in text.lines().enumerate() {
        match read(line) {
            Ok(Some(prefix)) => parsed.prefixes.push(prefix),
            Ok(None) => {}
            Err(problem) => {
                parsed.invalid += 1;
                if parsed.told.len() < TOLD {
                    parsed.told.push(InvalidLine { line: at + 1, problem });
                }
            }
        }
    }
    parsed.prefixes = parsed.prefixes.sorted();
    Ok(parsed)
}

fn is_html(text: &str) -> bool {
    let start: String = text
        .trim_start()
        .chars()
        .take(15)
        .collect::<String>()
        .to_ascii_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<?xml")
}

/// The prefix of a line, if it has one.
fn read(line: &str) -> Result<Option<IpNet>, String> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.starts_with('{') {
        return read_json(line);
    }
    let entry = line.split(['#', ';']).next().unwrap_or_default().trim();
    if entry.is_empty() {
        return Ok(None);
    }
    net(entry).map(Some)
}

fn read_json(line: &str) -> Result<Option<IpNet>, String> {
    let object: Value = serde_json::from_str(line).map_err(|error| format!("is no JSON: {error}"))?;
    if let Some(entry) = KEYS.iter().find_map(|key| object.get(key)?.as_str()) {
        return net(entry).map(Some);
    }
    // Some publishers end their lists with a line about the list.
    if object.get("type").and_then(Value::as_str) == Some("metadata") {
        return Ok(None);
    }
    Err(format!(
        "has no prefix under {}: {}",
        KEYS.map(|key| format!("{key:?}")).join(", "),
        shown(line)
    ))
}

fn net(entry: &str) -> Result<IpNet, String> {
    prefix::parse(entry).map_err(|error| match error {
        prefix::PrefixError::NotAPrefix(text) => format!("{:?} is neither an address nor a prefix", shown(&text)),
        other => other.to_string(),
    })
}

/// As much of a line as is worth telling.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nets(parsed: &Parsed) -> Vec<String> {
        parsed.prefixes.iter().map(|net| net.to_string()).collect()
    }

    #[test]
    fn lines_with_comments() {
        let text =
            "\u{feff}# a list\n; of\n\n 10.0.0.0/8 \n192.0.2.1 ; SBL1\n192.0.2.1\n2001:db8::/32 # doc\r\n2001:db8::1\n";
        let parsed = parse(text).expect("a list");
        assert_eq!((parsed.invalid, parsed.prefixes.len()), (0, 4));
        assert_eq!(
            nets(&parsed),
            ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "2001:db8::1/128"]
        );
    }

    #[test]
    fn json_lines() {
        let text = concat!(
            "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\",\"rir\":\"apnic\"}\n",
            "{\"prefix\": \"192.0.2.0/24\"}\n{\"network\":\"2001:db8::/48\"}\n{\"ip\":\"198.51.100.7\", \"n\": 3}\n",
            "{\"type\":\"metadata\",\"timestamp\":1,\"records\":4}\n",
        );
        let parsed = parse(text).expect("a list");
        assert_eq!((parsed.invalid, parsed.prefixes.len()), (0, 4));
    }

    #[test]
    fn what_is_no_prefix_is_told_with_its_line() {
        let text = "10.0.0.0/8\nexample.org\n{\"cidr\": 7}\n{broken\n10.0.0.1/8\n0.0.0.0/0\n1.2.3.4,bad\n";
        let parsed = parse(text).expect("a list");
        assert_eq!((parsed.invalid, parsed.prefixes.len()), (6, 1));
        let told: Vec<String> = parsed.told.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), TOLD);
        assert_eq!(told[0], "line 2: \"example.org\" is neither an address nor a prefix");
        assert!(
            told[1].starts_with("line 3: has no prefix under \"prefix\", \"cidr\""),
            "{told:?}"
        );
        assert!(told[2].starts_with("line 4: is no JSON"), "{told:?}");
        assert!(told[3].contains("write 10.0.0.0/8"), "{told:?}");
        assert!(told[4].contains("covers every address"), "{told:?}");
    }

    #[test]
    fn a_page_is_no_list() {
        for page in [
            "<!DOCTYPE html><p>10.0.0.0/8",
            "\n <html lang=en>",
            "<?xml version='1.0'?>",
        ] {
            assert!(parse(page).expect_err("a page").contains("HTML"));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }
    }
}
