//! The large lists of the configuration: what each section comes to.

use std::{fmt, path::PathBuf, time::Duration};

use jiff::Timestamp;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xdp_common::list_table::NAME_MAX;

use super::{
    Problem,
    resolve::quoted,
    units::{Span, Ttl},
};
use crate::tables::ListAction;

/// Lists at most: a number stays with its list for as long as it is there, and one that comes needs a number that no table has
/// any more.
const MOST: usize = 100;

/// One large list of sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct ListSection {
    /// Name, by which counters and commands know it: at most 32 of a-z, 0-9, "-", "_" and ".".
    #[schemars(extend("examples" = ["drop"]))]
    pub name: String,
    /// Where it is read from: the path of a file, or a URL that begins with https:// or http://. One
    /// address or prefix a line, with comments behind # or ;, or one JSON object a line, with the
    /// prefix under "prefix", "cidr", "network" or "ip".
    #[schemars(extend("examples" = ["https://www.spamhaus.org/drop/drop_v4.json"]))]
    pub from: String,
    /// "block" drops what comes from there, "allow" lets it pass whatever else holds.
    #[schemars(extend("examples" = ["block"]))]
    pub action: ListAction,
    /// It is read anew so often: 1s to 20d. Until that succeeds, the last good version stays.
    #[schemars(extend("examples" = ["1h"]))]
    #[serde(default = "ListSection::refresh")]
    pub refresh: Span,
    /// It ends when it could not be read for so long: a duration, or "never".
    #[schemars(extend("examples" = ["7d"]))]
    #[serde(default = "ListSection::ttl")]
    pub ttl: Ttl,
    /// It ends at this time, whatever was read.
    #[schemars(extend("examples" = ["2030-01-01T00:00:00Z"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// A version with more lines than this that are no prefix is refused, and the last good one
    /// stays.
    #[schemars(extend("examples" = [0]))]
    #[serde(default)]
    pub max_invalid: u32,
    /// It may hold more than half of the Internet, as one of "everybody but us" does. A version of
    /// another list that does is refused, and the last good one stays.
    #[schemars(extend("examples" = [false]))]
    #[serde(default)]
    pub wide: bool,
    /// Reading it may take so long: 1s to 1h.
    #[schemars(extend("examples" = ["30s"]))]
    #[serde(default = "ListSection::timeout")]
    pub timeout: Span,
}

impl ListSection {
    const fn refresh() -> Span {
        Span::constant(3_600)
    }

    const fn ttl() -> Ttl {
        Ttl::Never
    }

    const fn timeout() -> Span {
        Span::constant(30)
    }
}

/// Where a list is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFrom {
    /// A file.
    File(PathBuf),
    /// A URL, http or https.
    Url(Url),
}

impl fmt::Display for ReadFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url) => write!(f, "{url}"),
        }
    }
}

/// One large list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Its name.
    pub name: String,
    /// Where it is read from.
    pub from: ReadFrom,
    /// What happens to its sources.
    pub action: ListAction,
    /// Time between two readings.
    pub refresh: Span,
    /// It ends when it could not be read for so long.
    pub ttl: Ttl,
    /// It ends then.
    pub until: Option<Timestamp>,
    /// Lines that may be no prefix.
    pub max_invalid: u32,
    /// It may hold more than half of the Internet.
    pub wide: bool,
    /// Time that a reading may take.
    pub timeout: Span,
}

/// Resolves every section; what is wrong and what is odd is added to the two vectors.
pub(super) fn resolve(sections: &[ListSection], problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Vec<List> {
    if sections.len() > MOST {
        let message = format!(
            "there are {} lists, and {MOST} is the most: join some of them",
            sections.len()
        );
        problems.push(Problem::without_value("list", message));
    }
    let mut lists: Vec<List> = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        let at = |key: &str| format!("list[{index}].{key}");
        if let Some(message) = wrong_name(&section.name) {
            problems.push(Problem::new(at("name"), quoted(&section.name), message));
        } else if let Some(first) = sections[..index].iter().position(|other| other.name == section.name) {
            let message = format!("is the name of list[{first}] already; give each its own");
            problems.push(Problem::new(at("name"), quoted(&section.name), message));
        }
        let most = Duration::from_secs(3_600);
        if section.timeout.duration() > most {
            let message = "is out of range; write a duration from 1s to 1h";
            problems.push(Problem::new(
                at("timeout"),
                quoted(&section.timeout.to_string()),
                message,
            ));
        }
        let until = section
            .until
            .as_deref()
            .and_then(|text| match text.parse::<Timestamp>() {
                Ok(until) => Some(until),
                Err(_) => {
                    let message = "is no time; write date, time and zone, such as \"2030-01-01T00:00:00Z\"";
                    problems.push(Problem::new(at("until"), quoted(text), message));
                    None
                }
            });
        if until.is_some_and(|until| until <= Timestamp::now()) {
            let message = "is past: the list holds no more; remove the section, or set a later end";
            let text = section.until.clone().unwrap_or_default();
            warnings.push(Problem::new(at("until"), quoted(&text), message));
        }
        match from(&section.from) {
            Err(message) => problems.push(Problem::new(at("from"), quoted(&section.from), message)),
            Ok(from) => lists.push(List {
                name: section.name.clone(),
                from,
                action: section.action,
                refresh: section.refresh,
                ttl: section.ttl,
                until,
                max_invalid: section.max_invalid,
                wide: section.wide,
                timeout: section.timeout,
            }),
        }
    }
    lists
}

fn wrong_name(name: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let sound = (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.');
    (!sound).then(|| {
        format!(
            "is no name of a list: write 1 to {NAME_MAX} of a-z, 0-9, \"-\", \"_\" and \".\", the first of them no dot"
        )
    })
}

fn from(text: &str) -> Result<ReadFrom, &'static str> {
    if text.starts_with('/') {
        return Ok(ReadFrom::File(PathBuf::from(text)));
    }
    match text.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(ReadFrom::Url(url)),
        _ => Err("is neither the absolute path of a file nor a URL that begins with https:// or http://"),
    }
}
