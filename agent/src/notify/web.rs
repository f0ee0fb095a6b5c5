//! A parcel by HTTP: one POST, within a time, without redirects; of the answer only the status counts.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use reqwest::{
    Client, ClientBuilder, RequestBuilder, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER},
    redirect,
};
use tokio::time::timeout;

use super::{
    deliver::{Delivery, Failure},
    message::Parcel,
    slack,
    tail::one_line,
};
use crate::{
    config::{
        notify::{Endpoint, Kind, origin, sound_url},
        secret::{Scrubber, Secret},
    },
    tls,
};

/// Bytes of an answer that are read.
const ANSWER: usize = 2_048;
/// Characters of it that are told.
const TOLD: usize = 200;
/// Time for the answer's body: the status is there already.
const BODY: Duration = Duration::from_secs(1);
/// A part of a URL's path that is so long may be a token.
const TOKEN: usize = 6;

/// A client for webhooks. It follows no redirects: a POST that is sent elsewhere arrives as a GET, or with its secrets at
/// somebody else's.
///
/// # Errors
/// If TLS cannot be set up at all.
pub fn client() -> reqwest::Result<Client> {
    let with = |builder: ClientBuilder| {
        builder
            .redirect(redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("levee/", env!("CARGO_PKG_VERSION")))
            .build()
    };
    with(tls::as_the_host()).or_else(|error| {
        tracing::warn!("https:// endpoints cannot be notified: {error}");
        with(tls::without())
    })
}

/// Where and as whom.
#[derive(Clone, Copy)]
pub(super) struct Address<'a> {
    pub(super) url: &'a Secret,
    pub(super) bearer: Option<&'a Secret>,
    pub(super) headers: &'a BTreeMap<String, Secret>,
}

/// Posts a parcel.
pub(super) async fn post(
    endpoint: &Endpoint,
    client: &Client,
    address: Address<'_>,
    parcel: &Parcel,
) -> Result<Delivery, Failure> {
    let mut scrubber = Scrubber::default();
    let request = request(endpoint, client, address, parcel, &mut scrubber)?;
    let outcome = match timeout(endpoint.timeout, request.send()).await {
        Ok(Ok(response)) => judge(response).await,
        Ok(Err(error)) => Err(Failure::passing(why(error))),
        Err(_) => {
            let within = humantime::format_duration(endpoint.timeout);
            Err(Failure::passing(format!("did not answer within {within}")))
        }
    };
    outcome
        .map(|Delivery { answer }| Delivery {
            answer: scrubber.clean(&answer),
        })
        .map_err(|failure| Failure {
            why: scrubber.clean(&failure.why),
            ..failure
        })
}

fn request(
    endpoint: &Endpoint,
    client: &Client,
    address: Address<'_>,
    parcel: &Parcel,
    scrubber: &mut Scrubber,
) -> Result<RequestBuilder, Failure> {
    // A secret that cannot be read now may be there at the next attempt: somebody is replacing it.
    let mut read = |secret: &Secret| {
        let text = secret.read().map_err(Failure::passing)?;
        scrubber.hide(&text);
        Ok::<_, Failure>(text)
    };
    let url = sound_url(&read(address.url)?).map_err(|wrong| Failure::lasting(format!("its url {wrong}")))?;
    let bearer = address.bearer.map(&mut read).transpose()?;
    let mut headers = Vec::new();
    for (name, value) in address.headers {
        headers.push((name, read(value)?));
    }
    hide_parts(&url, scrubber);
    let url = if endpoint.kind == Kind::Alertmanager {
        alerts_of(url)
    } else {
        url
    };
    let body = match endpoint.kind {
        Kind::Slack => slack::body(&parcel.message).to_string(),
        Kind::Alertmanager => {
            let now = Timestamp::now();
            let alerts = parcel.alerts.iter().map(|alert| alert.json(now, endpoint.resend));
            serde_json::Value::Array(alerts.collect()).to_string()
        }
        Kind::Json | Kind::Exec => {
            serde_json::to_string(&*parcel.message).map_err(|error| Failure::lasting(error.to_string()))?
        }
    };
    let mut request = client.post(url).header(CONTENT_TYPE, "application/json").body(body);
    if let Some(token) = bearer {
        request = request.bearer_auth(token);
    }
    for (name, value) in headers {
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| Failure::lasting(format!("the header {name} is not one line of text")))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    Ok(request)
}

/// The API below the address that the configuration names.
fn alerts_of(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    if !path.ends_with("/api/v2/alerts") {
        let path = format!("{path}/api/v2/alerts");
        url.set_path(&path);
    }
    url
}

/// A token may be any part of a URL, and an answer may repeat that part alone.
fn hide_parts(url: &Url, scrubber: &mut Scrubber) {
    scrubber.hide(url.as_str());
    let parts = url.path().split('/').chain(url.query()).chain(url.password());
    for part in parts.filter(|part| part.len() >= TOKEN) {
        scrubber.hide(part);
    }
    for (_, value) in url.query_pairs() {
        scrubber.hide(&value);
    }
    if url.path().len() > 1 {
        scrubber.hide(url.path());
    }
}

/// What an answer means.
async fn judge(response: Response) -> Result<Delivery, Failure> {
    let status = response.status();
    if status.is_success() {
        let answer = told(status, &excerpt(response).await);
        return Ok(Delivery { answer });
    }
    if status.is_redirection() {
        let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
        let to = to.map(|to| match to.strip_prefix('/') {
            Some(_) => " to another path".to_owned(),
            None => format!(" to {}", origin(to)),
        });
        return Err(Failure::lasting(format!(
            "answered {status} and sends elsewhere{}: write the URL that it is at now",
            to.unwrap_or_default()
        )));
    }
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|after| after.to_str().ok());
    let after = after.and_then(|after| retry_after(after, Timestamp::now()));
    let again = status.is_server_error()
        || [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_EARLY,
            StatusCode::TOO_MANY_REQUESTS,
        ]
        .contains(&status);
    Err(Failure {
        why: told(status, &excerpt(response).await),
        again,
        after,
    })
}

fn told(status: StatusCode, excerpt: &str) -> String {
    if excerpt.is_empty() {
        format!("answered {status}")
    } else {
        format!("answered {status}: {excerpt}")
    }
}

/// The beginning of an answer; whatever is wrong with the rest does not matter.
async fn excerpt(mut response: Response) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while bytes.len() < ANSWER
            && let Ok(Some(chunk)) = response.chunk().await
        {
            bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER - bytes.len())]);
        }
    };
    // Slow or not, what came is what is told.
    let _ = timeout(BODY, reading).await;
    let line = one_line(&String::from_utf8_lossy(&bytes));
    line.chars().take(TOLD).collect()
}

/// Seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    let left: SignedDuration = at.duration_since(now);
    Some(Duration::try_from(left).unwrap_or_default())
}

/// An error with its causes, without the URL.
fn why(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    one_line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2015-10-21T07:27:00Z".parse().expect("time");
        for (text, seconds) in [
            ("7", Some(7)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:20:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn alerts_go_to_the_api_below_the_url() {
        for (url, wanted) in [
            ("http://am:9093", "http://am:9093/api/v2/alerts"),
            ("http://am:9093/prefix/", "http://am:9093/prefix/api/v2/alerts"),
            ("http://am:9093/api/v2/alerts", "http://am:9093/api/v2/alerts"),
        ] {
            assert_eq!(alerts_of(url.parse().expect("URL")).as_str(), wanted);
        }
    }
}
