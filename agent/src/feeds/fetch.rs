//! Reads a list's source as a whole: a file or a URL, within a time and a size. Half a list is no list.

use std::{io, path::Path, time::Duration};

use reqwest::{
    Client, ClientBuilder, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap},
    redirect,
};
use tokio::time::timeout;

use crate::{
    config::lists::{List, ReadFrom},
    tls,
};

/// Time in which a connection must be there.
const CONNECT: Duration = Duration::from_secs(10);
/// Redirects that are followed.
const REDIRECTS: usize = 5;

/// Reads URLs. On a host that trusts nobody (without `ca-certificates`), only those without TLS.
///
/// # Errors
/// If TLS cannot be set up at all.
pub fn client() -> reqwest::Result<Client> {
    let with = |builder: ClientBuilder| {
        builder
            .connect_timeout(CONNECT)
            .redirect(redirect::Policy::custom(follow))
            .user_agent(concat!("levee/", env!("CARGO_PKG_VERSION")))
            .build()
    };
    with(tls::as_the_host()).or_else(|error| {
        tracing::warn!("https:// lists cannot be read: {error}");
        with(tls::without())
    })
}

/// Follows a few redirects, and none that leaves TLS: whoever is on the way there could write the list.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    match refused(attempt.previous(), attempt.url()) {
        Some(why) => attempt.error(why),
        None => attempt.follow(),
    }
}

fn refused(before: &[Url], next: &Url) -> Option<&'static str> {
    if before.len() > REDIRECTS {
        return Some("it redirects again and again");
    }
    let left_tls = next.scheme() != "https" && before.iter().any(|url| url.scheme() == "https");
    left_tls.then_some("it redirects from https:// to a URL without TLS")
}

/// The text of a list, at most so many bytes.
///
/// # Errors
/// Why there is none, as half a sentence after the name of the source.
pub async fn fetch(list: &List, client: Option<&Client>, at_most: usize) -> Result<String, String> {
    let within = list.timeout.duration();
    let reading = async {
        match (&list.from, client) {
            (ReadFrom::File(path), _) => read(path, at_most).await,
            (ReadFrom::Url(url), Some(client)) => get(client, url.clone(), at_most).await,
            (ReadFrom::Url(_), None) => Err("cannot be read: TLS cannot be set up on this host".to_owned()),
        }
    };
    let bytes = timeout(within, reading)
        .await
        .map_err(|_| format!("did not come within {}", list.timeout))??;
    String::from_utf8(bytes).map_err(|_| "is no text (UTF-8)".to_owned())
}

async fn read(path: &Path, at_most: usize) -> Result<Vec<u8>, String> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || read_file(&path, at_most));
    reading
        .await
        .map_err(|error| format!("cannot be read: {error}"))?
        .map_err(|error| format!("cannot be read: {error}"))
}

fn read_file(path: &Path, at_most: usize) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(at_most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > at_most {
        return Err(io::Error::other(too_large(at_most)));
    }
    Ok(bytes)
}

async fn get(client: &Client, url: Url, at_most: usize) -> Result<Vec<u8>, String> {
    let response = client.get(url).send().await.map_err(|error| why(&error))?;
    if response.status() != StatusCode::OK {
        return Err(format!("answered {}", response.status()));
    }
    if is_html(response.headers()) {
        return Err("answered a page of HTML, not a list".to_owned());
    }
    whole(response, at_most).await
}

/// The whole body: one that ends before its Content-Length, or in the middle of a chunk, is an error of the HTTP library.
async fn whole(mut response: Response, at_most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| why(&error))? {
        if bytes.len() + chunk.len() > at_most {
            return Err(too_large(at_most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

fn too_large(at_most: usize) -> String {
    format!(
        "is larger than the {} MiB that limits.list_prefixes stands for",
        at_most >> 20
    )
}

/// An error with its causes: the outermost only says that something failed.
fn why(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    format!("cannot be read: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_few_and_never_leave_tls() {
        let url = |text: &str| text.parse::<Url>().expect("a URL");
        let (plain, safe) = (url("http://one.example/a"), url("https://two.example/b"));
        assert_eq!(refused(std::slice::from_ref(&plain), &safe), None);
        assert_eq!(refused(std::slice::from_ref(&safe), &safe), None);
        assert_eq!(refused(std::slice::from_ref(&plain), &plain), None);
        assert!(refused(&[plain.clone(), safe.clone()], &plain).is_some_and(|why| why.contains("without TLS")));
        let many = vec![safe.clone(); REDIRECTS + 1];
        assert!(refused(&many, &safe).is_some_and(|why| why.contains("again and again")));
    }
}
