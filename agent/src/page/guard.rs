//! In front of every request: is it for us, and from one of our own pages? Behind every answer: the headers that bind the browser.

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::{Ends, Site, answer, host};

/// Everything comes from here, nothing is in the page itself, and the page is in no other one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every answer. `same-origin` and not `no-referrer`: with that, browsers send forms with `Origin: null`.
const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

pub(super) async fn guard(
    State(site): State<Site>,
    Extension(ends): Extension<Ends>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refused(&site, ends, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    bind(response.headers_mut());
    response
}

fn refused(site: &Site, ends: Ends, request: &Request) -> Option<Response> {
    let named = host::named(request.headers()).unwrap_or_default();
    if !host::is_ours(named, ends.local.ip(), &site.config().hosts) {
        // Who asked may be a web site that reads the answer: it learns nothing but this.
        return Some(answer::bare(
            StatusCode::MISDIRECTED_REQUEST,
            "this page is not known by the name that was asked for: add it to page.hosts in the agent's configuration, or ask for \
             localhost",
        ));
    }
    let why = host::refused(request.method(), request.headers())?;
    Some(answer::bare(StatusCode::FORBIDDEN, why))
}

fn bind(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Assets say themselves how long they are good.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
