//! The web page: the section `[page]`, and what it comes to.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, resolve::quoted, secret::Secret};

/// A token is at least so long: what can be guessed in a night is none.
const SHORTEST_TOKEN: usize = 16;
/// What a token may be made with.
const MAKE_ONE: &str = "make one with `openssl rand -hex 32`";
/// Names under which the page is reached at most.
const MOST_HOSTS: usize = 32;

/// The web page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct PageSection {
    /// Address and port of the web page, or "off". It speaks HTTP without TLS and names your addresses:
    /// keep it on loopback, and reach it by `ssh -L 9667:127.0.0.1:9667 host` or through a proxy of
    /// yours with TLS. Changes need a restart.
    pub listen: String,
    /// Names under which it is reached, besides localhost and its own address: those of a proxy in
    /// front of it. Requests for other names are refused, so that no web site that somebody visits
    /// reads the page by giving its own name this host's address (DNS rebinding).
    #[schemars(extend("examples" = [["levee.example.net"]]))]
    pub hosts: Vec<String>,
    /// Token for actions (rungs and blocks) from the page: "file:/path" or "env:NAME", at least 16
    /// characters. Without one the page only shows.
    #[schemars(extend("examples" = ["file:/etc/levee/page.token"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

impl Default for PageSection {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9667".to_owned(),
            hosts: Vec::new(),
            token: None,
        }
    }
}

/// The page as it is served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Where; nowhere if `None`.
    pub listen: Option<SocketAddr>,
    /// Further names under which it is reached, in lower case, without ports.
    pub hosts: Vec<String>,
    /// Who knows this may act.
    pub token: Option<Secret>,
}

impl Page {
    /// The token, read now: one that was replaced holds from the next use on.
    ///
    /// # Errors
    /// Why nobody may act, without a word of it.
    pub fn read_token(&self) -> Result<String, String> {
        let secret = self
            .token
            .as_ref()
            .ok_or("page.token is not set: the page only shows")?;
        let token = secret.read()?;
        if token.len() < SHORTEST_TOKEN {
            return Err(format!(
                "page.token is shorter than {SHORTEST_TOKEN} characters: {MAKE_ONE}"
            ));
        }
        Ok(token)
    }
}

/// Resolves the section; what is wrong and what is odd is added to the two vectors.
pub(super) fn resolve(section: &PageSection, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Page {
    Page {
        listen: listen(&section.listen, problems, warnings),
        hosts: hosts(&section.hosts, problems),
        token: token(section, problems, warnings),
    }
}

fn listen(text: &str, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Option<SocketAddr> {
    const KEY: &str = "page.listen";
    if text == "off" {
        return None;
    }
    let Ok(address) = text.parse::<SocketAddr>() else {
        let message = "is neither an address with a port, such as \"127.0.0.1:9667\" or \"[::1]:9667\", nor \"off\"";
        problems.push(Problem::new(KEY, quoted(text), message));
        return None;
    };
    if !address.ip().is_loopback() {
        let message = "is not on loopback, and there is no TLS: whoever reaches it reads your addresses and rates, and whoever \
                       is on the way reads the token; put it behind a proxy";
        warnings.push(Problem::new(KEY, quoted(text), message));
    }
    Some(address)
}

fn hosts(names: &[String], problems: &mut Vec<Problem>) -> Vec<String> {
    if names.len() > MOST_HOSTS {
        let message = format!("has {} names, and {MOST_HOSTS} is the most", names.len());
        problems.push(Problem::without_value("page.hosts", message));
    }
    for (index, name) in names.iter().enumerate() {
        if !is_host(name) {
            let message = "is no name of a host: write it as in a URL, without scheme, port and path, such as \"levee.example.net\"";
            problems.push(Problem::new(format!("page.hosts[{index}]"), quoted(name), message));
        }
    }
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}

/// A name of DNS, or an address.
fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(letter)
    };
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(label))
}

fn token(section: &PageSection, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Option<Secret> {
    const KEY: &str = "page.token";
    let secret = section.token.as_ref()?;
    if let Some(message) = secret.wrong() {
        problems.push(Problem::without_value(KEY, message));
        return None;
    }
    if let Some(text) = secret.literal() {
        if text.len() < SHORTEST_TOKEN {
            let message = format!("is shorter than {SHORTEST_TOKEN} characters: {MAKE_ONE}");
            problems.push(Problem::without_value(KEY, message));
            return None;
        }
        let message = "is a secret in this file: put it into a file of its own, and write \"file:\" with its path";
        warnings.push(Problem::without_value(KEY, message));
    } else if let Err(why) = secret.read() {
        let message = format!("{why}; nobody can act from the page before it can");
        warnings.push(Problem::without_value(KEY, message));
    } else if let Some(odd) = secret.odd() {
        warnings.push(Problem::without_value(KEY, odd));
    }
    Some(secret.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(section: &PageSection) -> (Page, Vec<String>, Vec<String>) {
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let page = resolve(section, &mut problems, &mut warnings);
        let texts = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect();
        (page, texts(&problems), texts(&warnings))
    }

    #[test]
    fn by_default_it_is_on_loopback_and_only_shows() {
        let (page, problems, warnings) = resolved(&PageSection::default());
        assert_eq!(page.listen, Some("127.0.0.1:9667".parse().expect("address")));
        assert!(page.read_token().expect_err("no token").contains("page.token"));
        assert_eq!((problems, warnings), (Vec::new(), Vec::new()));
        let off = PageSection {
            listen: "off".to_owned(),
            ..PageSection::default()
        };
        assert_eq!(resolved(&off).0.listen, None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key_and_never_with_the_token() {
        let section = PageSection {
            listen: "localhost".to_owned(),
            hosts: vec!["https://levee.example".to_owned(), "levee.example".to_owned()],
            token: Some(Secret::new("hunter2")),
        };
        let (_, problems, _) = resolved(&section);
        assert_eq!(problems.len(), 3, "{problems:?}");
        for (problem, key) in problems.iter().zip(["page.listen", "page.hosts[0]", "page.token"]) {
            assert!(problem.contains(key) && !problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn outside_of_loopback_it_is_told_to_go_behind_a_proxy() {
        let section = PageSection {
            listen: "0.0.0.0:9667".to_owned(),
            token: Some(Secret::new("0123456789abcdef")),
            ..PageSection::default()
        };
        let (_, problems, warnings) = resolved(&section);
        assert!(problems.is_empty(), "{problems:?}");
        assert!(
            warnings[0].contains("no TLS") && warnings[0].contains("proxy"),
            "{warnings:?}"
        );
        assert!(warnings[1].contains("a secret in this file"), "{warnings:?}");
    }

    #[test]
    fn a_short_token_in_a_file_is_no_token() {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), "short\n").expect("written");
        let page = Page {
            token: Some(Secret::new(format!("file:{}", file.path().display()))),
            ..Page::default()
        };
        assert!(page.read_token().expect_err("short").contains("16"));
        std::fs::write(file.path(), "long enough to be one\n").expect("written");
        assert_eq!(page.read_token(), Ok("long enough to be one".to_owned()));
    }
}
