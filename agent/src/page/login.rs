//! Logging in with the token, and out again. A wrong token is told nothing, is noted without being shown, and makes the next one wait.

use std::{
    net::IpAddr,
    sync::PoisonError,
    time::{Duration, Instant},
};

use axum::{
    Extension, Form,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    Ends, Site,
    answer::Failure,
    layout::{self, Shown},
    session::{self, same},
    view::Nav,
    viewer::{Rights, Viewer, cookie_name},
};
use crate::decide::Refusal;

/// Where to go after.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

/// The form.
#[derive(Deserialize)]
pub(super) struct Login {
    token: String,
    #[serde(default)]
    next: String,
}

/// A path of ours, and nothing that a browser takes for another host.
pub(super) fn own_path(path: &str) -> &str {
    let sound = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    if sound { path } else { "/" }
}

pub(super) async fn form(
    State(site): State<Site>,
    headers: HeaderMap,
    next: Result<Query<Next>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let next = next.map(|Query(next)| next.next).unwrap_or_default();
    let viewer = Viewer::of(&site, &headers, true);
    let body = match &viewer.rights {
        Rights::ReadOnly(why) => read_only(why),
        Rights::LoggedOut => asks(&next, None),
        Rights::Acts(_) => return Redirect::to(own_path(&next)).into_response(),
    };
    page(&site, &viewer, StatusCode::OK, body)
}

fn page(site: &Site, viewer: &Viewer, status: StatusCode, body: Markup) -> Response {
    let shown = Shown::still("Log in", Nav::None, body);
    let page = layout::page(&site.snapshot(), viewer, &shown, "/login");
    (status, Html(page.into_string())).into_response()
}

fn read_only(why: &str) -> Markup {
    html! {
        h1 { "This page only shows" }
        p { "Nobody can act from here: " (why) "." }
        p.soft {
            "To act from the page, write a token into a file that only root reads, name it in the section " code { "[page]" }
            " as " code { "token = \"file:/etc/levee/page.token\"" } " and run " code { "agent reload" }
            ". On the host itself, " code { "agent block-ip" } ", " code { "agent rung" } " and " code { "agent top" } " need no token."
        }
    }
}

fn asks(next: &str, wrong: Option<&str>) -> Markup {
    html! {
        h1 { "Log in" }
        @if let Some(wrong) = wrong { p.refused role="alert" id="wrong" { (wrong) } }
        form.stack method="post" action="/login" {
            input type="hidden" name="next" value=(own_path(next));
            label for="token" { "Token" }
            input #token type="password" name="token" required autocomplete="current-password" autofocus spellcheck="false"
                aria-invalid=[wrong.map(|_| "true")] aria-describedby=(if wrong.is_some() { "wrong hint" } else { "hint" });
            p #hint.soft { "It stands where " code { "page.token" } " in the agent's configuration says. You stay logged in for 8 hours at most, "
                "and 30 minutes without doing anything." }
            button.primary type="submit" { "Log in" }
        }
    }
}

pub(super) async fn log_in(
    State(site): State<Site>,
    Extension(ends): Extension<Ends>,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> Result<Response, Failure> {
    let token = site.config().read_token().map_err(|why| {
        Refusal::conflict(
            why,
            "set page.token in the agent's configuration and run `agent reload`",
        )
    })?;
    let peer = ends.remote.ip();
    match attempt(&site, peer, &token, &login.token) {
        Err(wait) => {
            let seconds = wait.as_secs().max(1);
            let error = format!("too many wrong tokens were tried; wait {seconds} s");
            let hint = "commands on the host itself do not wait: `agent block-ip`, `agent rung`".to_owned();
            let refusal = Refusal::conflict(error, hint);
            Err(Failure::later(StatusCode::TOO_MANY_REQUESTS, refusal, seconds))
        }
        Ok(false) => {
            tracing::warn!(%peer, "page: a wrong token");
            let viewer = Viewer::of(&site, &headers, true);
            let body = asks(&login.next, Some("This is not the token."));
            Ok(page(&site, &viewer, StatusCode::UNAUTHORIZED, body))
        }
        Ok(true) => {
            let cookie = site
                .sessions
                .open(&token, Instant::now())
                .map_err(|error| Refusal::failed(format!("no session could be opened: {error}")))?;
            tracing::info!(%peer, "page: somebody logged in");
            let mut response = Redirect::to(own_path(&login.next)).into_response();
            set_cookie(&mut response, &headers, &cookie, session::LIFE);
            Ok(response)
        }
    }
}

/// Looks at a token, one at a time, and notes a wrong one. The error is the time to wait.
fn attempt(site: &Site, peer: IpAddr, token: &str, given: &str) -> Result<bool, Duration> {
    let now = Instant::now();
    let mut attempts = site.attempts.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(wait) = attempts.wait(peer, now) {
        return Err(wait);
    }
    let right = same(token, given.trim());
    if !right {
        attempts.wrong(peer, now);
    }
    Ok(right)
}

/// A cookie that no script reads and that other sites' requests do not carry.
fn set_cookie(response: &mut Response, headers: &HeaderMap, cookie: &str, life: Duration) {
    let text = format!(
        "{}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}",
        cookie_name(headers),
        life.as_secs()
    );
    // Our own cookies are hexadecimal, and names of them digits.
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The form of who logs out.
#[derive(Debug, Deserialize)]
pub(super) struct LogOut {
    form: String,
}

pub(super) async fn log_out(State(site): State<Site>, headers: HeaderMap, Form(form): Form<LogOut>) -> Response {
    let viewer = Viewer::of(&site, &headers, true);
    if viewer.form().is_some_and(|known| same(known, &form.form))
        && let Some(cookie) = &viewer.cookie
    {
        site.sessions.close(cookie);
    }
    let mut response = Redirect::to("/").into_response();
    set_cookie(&mut response, &headers, "", Duration::ZERO);
    response
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_sent_elsewhere_after_logging_in() {
        for path in ["/", "/address/2001:db8::7", "/?sort=syn&filter=203.0.113.0%2F24"] {
            assert_eq!(own_path(path), path);
        }
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\nb",
            "/ä",
        ] {
            assert_eq!(own_path(path), "/", "{path}");
        }
    }
}
