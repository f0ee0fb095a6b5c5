//! Where a fleet's etcds are: whoever blocks one of them by mistake cuts every node off from the others.

use std::{net::IpAddr, time::Duration};

/// For each name.
const PATIENCE: Duration = Duration::from_secs(1);

/// The addresses of endpoints, as this host finds them now; what it does not find within a second is left out.
pub async fn addresses(endpoints: &[String]) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for endpoint in endpoints {
        let Some(place) = reqwest::Url::parse(endpoint).ok().and_then(|url| {
            let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
            Some((host, url.port_or_known_default()?))
        }) else {
            continue;
        };
        if let Ok(Ok(sockets)) = tokio::time::timeout(PATIENCE, tokio::net::lookup_host(place)).await {
            found.extend(sockets.map(|socket| socket.ip().to_canonical()));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_found_and_what_is_none_is_left_out() {
        let endpoints = [
            "https://[2001:db8::1]:2379",
            "http://192.0.2.1:2379",
            "http://192.0.2.1",
            "etcd1:2379",
        ];
        let found = addresses(&endpoints.map(str::to_owned)).await;
        let wanted: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1"]
            .iter()
            .map(|text| text.parse().expect("address"))
            .collect();
        assert_eq!(found, wanted);
    }
}
