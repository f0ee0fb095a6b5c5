//! The fleet's etcd, and the files by which this node shows who it is.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{net::TcpStream, time::timeout};
use x509_parser::pem::Pem;

use super::places::why;
use crate::{
    config::{fleet::FleetSection, secret::Secret},
    doctor::facts::{FleetFacts, FleetFile, Seen},
};

/// An etcd that takes longer is of no use in an attack.
const PATIENCE: Duration = Duration::from_secs(1);
/// Files of certificates are smaller, bytes.
const MOST_BYTES: u64 = 4 << 20;

/// Nothing where there is no fleet.
pub(super) async fn gather(section: &FleetSection) -> Option<FleetFacts> {
    if section.endpoints.is_empty() {
        return None;
    }
    let tries = section.endpoints.iter().cloned().map(|endpoint| {
        let answer = tokio::spawn(connect(endpoint.clone()));
        (endpoint, answer)
    });
    let mut endpoints = Vec::new();
    for (endpoint, answer) in tries.collect::<Vec<_>>() {
        endpoints.push((endpoint, answer.await.unwrap_or_else(|error| Err(error.to_string()))));
    }
    let files = [
        ("fleet.ca", &section.ca),
        ("fleet.cert", &section.cert),
        ("fleet.key", &section.key),
    ];
    let files = files
        .into_iter()
        .filter_map(|(key, path)| Some(file(key, path.as_ref()?)));
    Some(FleetFacts {
        endpoints,
        files: files.collect(),
        password: section.password.as_ref().and_then(Secret::odd),
    })
}

async fn connect(endpoint: String) -> Seen<()> {
    let url = reqwest::Url::parse(&endpoint).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or_default();
    match timeout(PATIENCE, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer within a second".to_owned()),
    }
}

fn file(key: &'static str, path: &PathBuf) -> FleetFile {
    let opened = fs::metadata(path).and_then(|found| {
        if found.len() > MOST_BYTES {
            return Err(std::io::Error::other("it is larger than 4 MiB"));
        }
        Ok((found.permissions().mode(), fs::read(path)?))
    });
    let opened = opened.map_err(|error| why(path, &error));
    let ends = match &opened {
        Ok((_, text)) if key != "fleet.key" => Some(last_end(text, key == "fleet.ca", path)),
        _ => None,
    };
    FleetFile {
        key,
        path: path.clone(),
        mode: opened.map(|(mode, _)| mode),
        ends,
    }
}

/// When the first certificate ends; of authorities, which are kept beside their successors, the latest end.
fn last_end(text: &[u8], all: bool, path: &Path) -> Seen<Timestamp> {
    let ends = Pem::iter_from_buffer(text).filter_map(|pem| {
        let pem = pem.ok()?;
        let end = pem.parse_x509().ok()?.validity().not_after.timestamp();
        Timestamp::from_second(end).ok()
    });
    ends.take(if all { usize::MAX } else { 1 })
        .max()
        .ok_or_else(|| format!("{} holds no certificate (PEM)", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(vec!["lb1".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.self_signed(&key).expect("a certificate").pem()
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let both = format!("{}{}", certificate(2031), certificate(2033));
        let end = |all| {
            last_end(both.as_bytes(), all, Path::new("/x"))
                .expect("an end")
                .to_string()
        };
        assert_eq!(end(false), "2031-01-01T00:00:00Z", "a certificate and those above it");
        assert_eq!(end(true), "2033-01-01T00:00:00Z", "authorities");
        let none = last_end(b"nothing", true, Path::new("/x")).expect_err("no certificate");
        assert_eq!(none, "/x holds no certificate (PEM)");
    }

    #[test]
    fn without_endpoints_nothing_is_looked_at() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        assert_eq!(runtime.block_on(gather(&FleetSection::default())), None);
    }
}
