//! Answers that are no page of their own: refusals and errors, in a sentence with a way out.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use super::{assets, words};
use crate::decide::{Refusal, refusal::Kind};

/// A refusal on its way to a browser.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    refusal: Refusal,
    /// Seconds until it makes sense to try again.
    after: Option<u64>,
}

impl Failure {
    pub(super) const fn new(status: StatusCode, refusal: Refusal) -> Self {
        Self {
            status,
            refusal,
            after: None,
        }
    }

    /// Too many of something: try again later.
    pub(super) const fn later(status: StatusCode, refusal: Refusal, seconds: u64) -> Self {
        Self {
            status,
            refusal,
            after: Some(seconds),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, refusal)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = html! {
            h1 { (title(self.status)) }
            p { (words::foreign(&self.refusal.error)) "." }
            @if let Some(hint) = &self.refusal.hint { p.soft { (words::foreign(hint)) "." } }
            p { a href="/" { "Back to the overview" } }
        };
        let mut response = page(self.status, &body);
        if let Some(seconds) = self.after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A sentence, and nothing that would tell anything of this host.
pub(super) fn bare(status: StatusCode, why: &str) -> Response {
    page(status, &html! { h1 { (title(status)) } p { (why) "." } })
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "Too many at once",
        StatusCode::INTERNAL_SERVER_ERROR => "That failed",
        StatusCode::BAD_REQUEST => "Not understood",
        StatusCode::UNAUTHORIZED => "Log in first",
        _ => "Refused",
    }
}

fn page(status: StatusCode, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title(status)) " · Levee" }
                link rel="icon" href=(assets::ICON.path());
                link rel="stylesheet" href=(assets::STYLE.path());
            }
            body { main.alone { (body) } }
        }
    };
    (status, Html(page.into_string())).into_response()
}
