//! TLS for what is read from URLs: which cryptography, and whom to trust.

use reqwest::ClientBuilder;

/// Begins an HTTP client for the control socket, which needs no TLS: it looks for no certificates.
pub fn without() -> ClientBuilder {
    provide();
    reqwest::Client::builder().tls_certs_only([])
}

/// Begins an HTTP client that trusts whom this host trusts.
pub fn as_the_host() -> ClientBuilder {
    provide();
    reqwest::Client::builder()
}

/// Once for the process; a second time it is there already.
fn provide() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
