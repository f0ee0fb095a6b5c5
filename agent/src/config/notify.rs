//! Who is told what happens: the sections `[[notify]]`, and what each comes to.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, resolve::quoted, secret::Secret, units::Span};
use crate::detect::{Severity, What};

/// Endpoints at most: each is a task and a queue.
const MOST: usize = 32;
/// Longest name, bytes.
const NAME_MAX: usize = 32;

/// What an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Kind {
    /// A POST with our own JSON.
    Json,
    /// Slack's incoming webhooks, and what is compatible with them.
    Slack,
    /// The API of Prometheus's Alertmanager.
    Alertmanager,
    /// A command with our own JSON on its standard input.
    Exec,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::Alertmanager => "alertmanager",
            Self::Exec => "exec",
        }
    }
}

/// One who is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct NotifySection {
    /// Name, by which commands and metrics know it: at most 32 of a-z, 0-9, "-", "_" and ".".
    #[schemars(extend("examples" = ["on-call"]))]
    pub name: String,
    /// "json" posts our own JSON to `url`, "slack" a message to a webhook of Slack, "alertmanager"
    /// alerts to Prometheus's Alertmanager, and "exec" runs `command` with our JSON on its input.
    #[schemars(extend("examples" = ["slack"]))]
    pub kind: Kind,
    /// Where it is posted to; for "alertmanager" without /api/v2/alerts. Redirects are not followed.
    /// Here, in `bearer`, `headers` and `environment`, a secret is written "file:/path" or
    /// "env:NAME": it is read at each use, and shown nowhere.
    #[schemars(extend("examples" = ["file:/etc/levee/slack.url"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// A token that is sent as "Authorization: Bearer ..".
    #[schemars(extend("examples" = ["file:/etc/levee/token"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<Secret>,
    /// More headers.
    #[schemars(extend("examples" = [{"X-Api-Key": "env:LEVEE_API_KEY"}]))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// For "exec": the program, by its absolute path, and its arguments. No shell is between. It is
    /// run once for each event and must bear to be run again for the same one.
    #[schemars(extend("examples" = [["/usr/local/bin/leave-pool", "--quiet"]]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// For "exec": environment variables. Besides these it has PATH and what tells of the event.
    #[schemars(extend("examples" = [{"POOL_TOKEN": "file:/etc/levee/pool.token"}]))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, Secret>,
    /// Only these events; all when left out: attack_started, vector_added, attack_ended,
    /// handshakes_falling, busy, rung_changed, host_saturated, host_recovered, interface_lost,
    /// interface_back, notice.
    #[schemars(extend("examples" = [["attack_started", "attack_ended"]]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Only what is at least so loud: "info", "warning" or "critical". Whoever is told that an attack
    /// began is told that it ended.
    #[schemars(extend("examples" = ["warning"]))]
    #[serde(default = "NotifySection::severity")]
    pub severity: Severity,
    /// Time for one attempt: 1s to 5m. A command that takes longer is killed, with all it started.
    #[schemars(extend("examples" = ["10s"]))]
    #[serde(default = "NotifySection::timeout")]
    pub timeout: Span,
    /// Further attempts after one that failed, at growing distances up to half a minute: 0 to 100.
    #[schemars(extend("examples" = [10]))]
    #[schemars(range(min = 0, max = 100))]
    #[serde(default = "NotifySection::retries")]
    pub retries: u32,
    /// Messages that wait at most: 1 to 10000. Beyond it the oldest is dropped, and counted.
    #[schemars(extend("examples" = [256]))]
    #[schemars(range(min = 1, max = 10_000))]
    #[serde(default = "NotifySection::queue")]
    pub queue: u32,
    /// What was said last of a subject is not said again within this time.
    #[schemars(extend("examples" = ["1m"]))]
    #[serde(default = "NotifySection::repeat_after")]
    pub repeat_after: Span,
    /// For "alertmanager": an alert is sent again so often while it lasts: 10s to 1h. Alertmanager
    /// takes for ended what it did not hear of for four times as long.
    #[schemars(extend("examples" = ["1m"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend: Option<Span>,
    /// For "alertmanager": labels that every alert has besides its own.
    #[schemars(extend("examples" = [{"team": "network"}]))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl NotifySection {
    const fn severity() -> Severity {
        Severity::Warning
    }

    const fn timeout() -> Span {
        Span::constant(10)
    }

    const fn retries() -> u32 {
        10
    }

    const fn queue() -> u32 {
        256
    }

    const fn repeat_after() -> Span {
        Span::constant(60)
    }
}

/// Where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// On the web.
    Web {
        /// Where it is posted to.
        url: Secret,
        /// Token for the header `Authorization`.
        bearer: Option<Secret>,
        /// More headers.
        headers: BTreeMap<String, Secret>,
    },
    /// On this host.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// Its environment.
        environment: BTreeMap<String, Secret>,
    },
}

/// One who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub kind: Kind,
    /// Where it is.
    pub to: To,
    /// Only these events; all if empty.
    pub events: BTreeSet<String>,
    /// Only what is at least so loud.
    pub severity: Severity,
    /// Time for one attempt.
    pub timeout: Duration,
    /// Further attempts.
    pub retries: u32,
    /// Messages that wait at most.
    pub queue: usize,
    /// What was said last is not said again within this time.
    pub repeat_after: Duration,
    /// Time between two posts of an alert that lasts.
    pub resend: Duration,
    /// Labels of alerts.
    pub labels: BTreeMap<String, String>,
}

impl Endpoint {
    /// Where it is, for people: never a secret.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.to {
            To::Web { url, .. } => match url.literal() {
                Some(text) => origin(text),
                None => url.to_string(),
            },
            To::Command { command, .. } => command.first().cloned().unwrap_or_default(),
        }
    }

    /// Whether an event is for it. The end of what was told is told, however soft it is.
    #[must_use]
    pub fn wants(&self, what: &What) -> bool {
        let severity = match what {
            What::AttackEnded { .. } | What::HostRecovered => Severity::Critical,
            _ => what.severity(),
        };
        severity >= self.severity && (self.events.is_empty() || self.events.contains(what.name()))
    }
}

/// Scheme, host and port of a URL: the rest may be a secret.
#[must_use]
pub fn origin(url: &str) -> String {
    url.parse::<Url>()
        .map_or_else(|_| "no URL".to_owned(), |url| url.origin().ascii_serialization())
}

/// Resolves every section; what is wrong and what is odd is added to the two vectors.
pub(super) fn resolve(
    sections: &[NotifySection],
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Vec<Endpoint> {
    if sections.len() > MOST {
        let message = format!("there are {} of them, and {MOST} is the most", sections.len());
        problems.push(Problem::without_value("notify", message));
    }
    for (index, section) in sections.iter().enumerate() {
        if let Some(first) = sections[..index].iter().position(|other| other.name == section.name) {
            let message = format!("is the name of notify[{first}] already; give each its own");
            let key = format!("notify[{index}].name");
            problems.push(Problem::new(key, quoted(&section.name), message));
        }
    }
    let resolve_one = |(index, section)| {
        Section {
            index,
            section,
            problems: &mut *problems,
            warnings: &mut *warnings,
        }
        .resolve()
    };
    sections.iter().enumerate().map(resolve_one).collect()
}

struct Section<'a> {
    index: usize,
    section: &'a NotifySection,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Problem>,
}

impl Section<'_> {
    fn key(&self, key: &str) -> String {
        format!("notify[{}].{key}", self.index)
    }

    fn wrong(&mut self, key: &str, value: impl std::fmt::Display, message: impl Into<String>) {
        let problem = Problem::new(self.key(key), value, message);
        self.problems.push(problem);
    }

    /// Of what may be a secret, the value is not told.
    fn wrong_without_value(&mut self, key: &str, message: impl Into<String>) {
        let problem = Problem::without_value(self.key(key), message);
        self.problems.push(problem);
    }

    fn resolve(mut self) -> Endpoint {
        self.check_name();
        self.check_events();
        self.check_numbers();
        self.check_secrets();
        let to = match self.section.kind {
            Kind::Exec => self.command(),
            Kind::Json | Kind::Slack | Kind::Alertmanager => self.web(),
        };
        self.check_alerts();
        let section = self.section;
        Endpoint {
            name: section.name.clone(),
            kind: section.kind,
            to,
            events: section.events.iter().cloned().collect(),
            severity: section.severity,
            timeout: section.timeout.duration(),
            retries: section.retries,
            queue: section.queue as usize,
            repeat_after: section.repeat_after.duration(),
            resend: section.resend.unwrap_or(Span::constant(60)).duration(),
            labels: section.labels.clone(),
        }
    }

    fn check_name(&mut self) {
        let name = &self.section.name;
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if !(1..=NAME_MAX).contains(&name.len()) || !name.bytes().all(allowed) {
            let message = format!("is no name: write 1 to {NAME_MAX} of a-z, 0-9, \"-\", \"_\" and \".\"");
            self.wrong("name", quoted(name), message);
        }
    }

    fn check_events(&mut self) {
        for (index, event) in self.section.events.iter().enumerate() {
            // What an event is called, only its own type knows: it answers with all the names.
            let known = serde_json::from_value::<What>(serde_json::json!({ "event": event }));
            if let Err(error) = known
                && error.to_string().starts_with("unknown variant")
            {
                self.wrong(
                    &format!("events[{index}]"),
                    quoted(event),
                    format!("is no event: {error}"),
                );
            }
        }
    }

    fn check_numbers(&mut self) {
        let section = self.section;
        for (key, value, least, most) in [
            ("retries", section.retries, 0, 100),
            ("queue", section.queue, 1, 10_000),
        ] {
            if !(least..=most).contains(&value) {
                self.wrong(
                    key,
                    value,
                    format!("is out of range; write a number from {least} to {most}"),
                );
            }
        }
        let spans = [
            ("timeout", Some(section.timeout), 1, 300, "1s to 5m"),
            ("repeat_after", Some(section.repeat_after), 1, 86_400, "1s to 1d"),
            ("resend", section.resend, 10, 3_600, "10s to 1h"),
        ];
        for (key, span, least, most, range) in spans {
            let in_range = |span: Span| (least..=most).contains(&span.duration().as_secs());
            if let Some(span) = span.filter(|span| !in_range(*span)) {
                let message = format!("is out of range; write a duration from {range}");
                self.wrong(key, quoted(&span.to_string()), message);
            }
        }
    }

    fn check_secrets(&mut self) {
        let section = self.section;
        let named = |of: &str, map: &BTreeMap<String, Secret>| {
            map.iter()
                .map(|(name, secret)| (format!("{of}.{name}"), secret.clone()))
                .collect::<Vec<_>>()
        };
        let single = [("url", &section.url), ("bearer", &section.bearer)];
        let single = single
            .into_iter()
            .filter_map(|(key, secret)| Some((key.to_owned(), secret.clone()?)));
        let all = single
            .chain(named("headers", &section.headers))
            .chain(named("environment", &section.environment));
        for (key, secret) in all {
            if let Some(message) = secret.wrong() {
                self.wrong_without_value(&key, message);
            } else if let Some(odd) = secret.odd() {
                self.warnings.push(Problem::without_value(self.key(&key), odd));
            }
        }
        let is_secret = section.kind == Kind::Slack;
        let written = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| secret.literal().is_some());
        for (key, here) in [
            ("url", is_secret && written(&section.url)),
            ("bearer", written(&section.bearer)),
        ] {
            if here {
                let message =
                    "is a secret in this file: put it into a file of its own, and write \"file:\" with its path";
                self.warnings.push(Problem::without_value(self.key(key), message));
            }
        }
    }

    fn web(&mut self) -> To {
        let section = self.section;
        if !section.command.is_empty() {
            self.wrong_without_value("command", "is for kind = \"exec\" only; remove it, or change the kind");
        }
        if !section.environment.is_empty() {
            self.wrong_without_value(
                "environment",
                "is for kind = \"exec\" only; remove it, or change the kind",
            );
        }
        for (name, value) in &section.headers {
            if HeaderName::try_from(name).is_err() {
                self.wrong_without_value(&format!("headers.{name}"), "is no name of a header");
            } else if value
                .literal()
                .is_some_and(|value| HeaderValue::try_from(value).is_err())
            {
                self.wrong_without_value(
                    &format!("headers.{name}"),
                    "cannot be a header: it is not one line of text",
                );
            }
        }
        let url = section.url.clone().unwrap_or_else(|| {
            self.wrong_without_value(
                "url",
                "is missing: write the URL, or \"file:\" with the path of a file that holds it",
            );
            Secret::new("")
        });
        if let Some(text) = url.literal().filter(|text| !text.is_empty())
            && let Err(message) = sound_url(text)
        {
            self.wrong_without_value("url", message);
        }
        To::Web {
            url,
            bearer: section.bearer.clone(),
            headers: section.headers.clone(),
        }
    }

    fn command(&mut self) -> To {
        let section = self.section;
        let web = [
            ("url", section.url.is_some()),
            ("bearer", section.bearer.is_some()),
            ("headers", !section.headers.is_empty()),
        ];
        for (key, _) in web.into_iter().filter(|(_, set)| *set) {
            self.wrong_without_value(key, "is not for kind = \"exec\"; remove it, or change the kind");
        }
        match section.command.first() {
            None => self.wrong_without_value("command", "is missing: write the program and its arguments as a list"),
            Some(program) if !program.starts_with('/') => {
                self.wrong(
                    "command[0]",
                    quoted(program),
                    "is not an absolute path; begin it with /",
                );
            }
            Some(program) if !std::path::Path::new(program).is_file() => {
                let message = "there is no such file now; every event fails until there is";
                let problem = Problem::new(self.key("command[0]"), quoted(program), message);
                self.warnings.push(problem);
            }
            Some(_) => {}
        }
        for name in section.environment.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                self.wrong_without_value("environment", "has a name that no variable can have");
            }
        }
        To::Command {
            command: section.command.clone(),
            environment: section.environment.clone(),
        }
    }

    fn check_alerts(&mut self) {
        let section = self.section;
        if section.kind != Kind::Alertmanager {
            for (key, set) in [
                ("labels", !section.labels.is_empty()),
                ("resend", section.resend.is_some()),
            ] {
                if set {
                    self.wrong_without_value(key, "is for kind = \"alertmanager\" only; remove it");
                }
            }
        }
        for name in section.labels.keys() {
            let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
            let sound = name
                .bytes()
                .enumerate()
                .all(|(at, byte)| letter(byte) || (at > 0 && byte.is_ascii_digit()));
            if name.is_empty() || !sound {
                let message = "is no name of a label: write a-z, A-Z, 0-9 and \"_\", the first of them no digit";
                self.wrong_without_value(&format!("labels.{name}"), message);
            }
        }
    }
}

/// A URL that can be posted to.
///
/// # Errors
/// What is wrong with it, without it.
pub fn sound_url(text: &str) -> Result<Url, &'static str> {
    match text.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("is no URL that begins with https:// or http://"),
    }
}
