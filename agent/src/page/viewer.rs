//! Who looks at a page: what the cookie says, and whether they may act.

use std::{net::SocketAddr, time::Instant};

use axum::http::{HeaderMap, header};

use super::{Site, host, session::Known};

/// What somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rights {
    /// Nobody may act: why not.
    ReadOnly(String),
    /// Who knows the token may.
    LoggedOut,
    /// They may.
    Acts(Known),
}

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Viewer {
    /// The cookie of the session, if there is one; it may have ended.
    pub(super) cookie: Option<String>,
    /// What they may do.
    pub(super) rights: Rights,
}

impl Viewer {
    /// Reads the cookie. What a person does keeps a session open, what a page fetches by itself does not.
    pub(super) fn of(site: &Site, headers: &HeaderMap, by_person: bool) -> Self {
        let cookie = cookie(headers);
        let rights = match (site.config().read_token(), &cookie) {
            (Err(why), _) => Rights::ReadOnly(why),
            (Ok(_), None) => Rights::LoggedOut,
            (Ok(token), Some(cookie)) => {
                let known = site.sessions.find(cookie, &token, Instant::now(), by_person);
                known.map_or(Rights::LoggedOut, Rights::Acts)
            }
        };
        Self { cookie, rights }
    }

    /// The session's form token, if they may act.
    pub(super) fn form(&self) -> Option<&str> {
        match &self.rights {
            Rights::Acts(known) => Some(&known.form),
            Rights::ReadOnly(_) | Rights::LoggedOut => None,
        }
    }
}

/// The name of the cookie. Ports are no part of what a cookie belongs to, and somebody may have tunnels to many hosts: each has its own.
pub(super) fn cookie_name(headers: &HeaderMap) -> String {
    let port = host::named(headers).and_then(|host| host.rsplit_once(':'));
    let port = port
        .map(|(_, port)| port)
        .filter(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    format!("levee-{}", port.unwrap_or("page"))
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(headers);
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
}

/// As whom the journal knows somebody.
pub(super) fn actor(known: &Known, remote: SocketAddr) -> String {
    let ip = remote.ip().to_canonical();
    format!(
        "page peer={} session={}",
        SocketAddr::new(ip, remote.port()),
        known.mark
    )
}
