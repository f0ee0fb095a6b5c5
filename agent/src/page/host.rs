//! For whom a request is and where it comes from: against web sites that give their own name this host's address (DNS rebinding)
//! and against those that send forms to us (CSRF). Pure.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, Method, header, uri::Authority};

/// Whether the name in `Host` is one of ours: localhost, an address of loopback, the address where the connection came in, or one of
/// the names in `page.hosts`. The port does not matter: a tunnel has its own.
pub(super) fn is_ours(host: &str, local: IpAddr, names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    if host.contains('@') {
        return false;
    }
    let name = authority.host().to_ascii_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address.is_loopback() || address == local.to_canonical() || names.iter().any(|ours| ours == bare)
        }
        Err(_) => name == "localhost" || names.contains(&name),
    }
}

/// The name in `Host`, if there is exactly one.
pub(super) fn named(headers: &HeaderMap) -> Option<&str> {
    only(headers, &header::HOST).filter(|host| *host != SEVERAL)
}

/// What stands for a header that is there more than once, or is no text: no browser sends that.
const SEVERAL: &str = "several";

/// A header that is there once at most.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().unwrap_or(SEVERAL);
    Some(if values.next().is_none() { value } else { SEVERAL })
}

/// Where the browser says that a request comes from (W3C Fetch Metadata).
fn fetch<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    only(headers, &HeaderName::from_static(name))
}

/// Why a request from elsewhere is not answered, if it is not. Somebody may follow a link to us; nobody else's page may load ours as
/// a part of it, nor follow our events, nor send us a form.
pub(super) fn refused(method: &Method, headers: &HeaderMap) -> Option<&'static str> {
    let site = fetch(headers, "sec-fetch-site");
    let here = matches!(site, None | Some("same-origin"));
    if matches!(*method, Method::GET | Method::HEAD) {
        let navigates = site == Some("none") || fetch(headers, "sec-fetch-mode") == Some("navigate");
        return (!here && !navigates).then_some("another web site asked for this, and this page is nobody's part");
    }
    if !here {
        return Some("this was sent from another web site");
    }
    match only(headers, &header::ORIGIN) {
        Some(origin) if is_origin(origin, named(headers).unwrap_or_default()) => None,
        Some(_) => Some(
            "the page that sent this has another origin than the one where it went; a proxy in front of this page must hand on the \
             Host header as it is",
        ),
        None if site.is_some() => None,
        None => Some("the browser does not say where this comes from (there is neither Origin nor Sec-Fetch-Site)"),
    }
}

/// Whether an origin is that of a host. The scheme may differ: a proxy may speak TLS.
fn is_origin(origin: &str, host: &str) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| !host.is_empty() && authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_our_own_names_are_answered() {
        let names = ["levee.example".to_owned(), "192.0.2.9".to_owned()];
        let local = "192.0.2.1".parse().expect("address");
        for host in [
            "localhost",
            "localhost:9667",
            "LocalHost:1",
            "127.0.0.1:9667",
            "127.9.9.9",
            "[::1]:9667",
            "192.0.2.1:9667",
            "levee.example",
            "LEVEE.example:443",
            "192.0.2.9",
        ] {
            assert!(is_ours(host, local, &names), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.2",
            "evil@localhost",
            "localhost/",
            "[::2]",
            "2130706433",
        ] {
            assert!(!is_ours(host, local, &names), "{host}");
        }
    }

    #[test]
    fn two_hosts_are_none() {
        assert_eq!(named(&headers(&[("host", "localhost")])), Some("localhost"));
        assert_eq!(named(&headers(&[("host", "localhost"), ("host", "evil")])), None);
    }

    #[test]
    fn forms_come_from_here_only() {
        let host = ("host", "localhost:9667");
        let own = ("origin", "http://localhost:9667");
        let site = |site| ("sec-fetch-site", site);
        for sound in [
            vec![host, own],
            vec![host, own, site("same-origin")],
            vec![host, site("same-origin")],
        ] {
            assert_eq!(refused(&Method::POST, &headers(&sound)), None, "{sound:?}");
        }
        for wrong in [
            vec![host],
            vec![host, ("origin", "null")],
            vec![host, ("origin", "http://localhost:9668")],
            vec![host, ("origin", "http://evil.example")],
            vec![host, own, site("cross-site")],
            vec![host, own, site("same-site")],
            vec![host, own, site("none")],
            vec![own],
        ] {
            assert!(refused(&Method::POST, &headers(&wrong)).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn a_link_is_followed_and_a_part_is_not_given() {
        let site = |site| ("sec-fetch-site", site);
        let mode = |mode| ("sec-fetch-mode", mode);
        for sound in [
            vec![],
            vec![site("none")],
            vec![site("cross-site"), mode("navigate")],
            vec![site("same-origin")],
        ] {
            assert_eq!(refused(&Method::GET, &headers(&sound)), None, "{sound:?}");
        }
        for wrong in [
            vec![site("cross-site"), mode("cors")],
            vec![site("same-site"), mode("no-cors")],
        ] {
            assert!(refused(&Method::GET, &headers(&wrong)).is_some(), "{wrong:?}");
        }
    }
}
