//! HTTP clients, all with the same TLS provider.

use std::time::Duration;

/// An HTTP client whose requests end after `timeout`. Proxies of the environment are not used: an
/// endpoint is exactly what was configured.
///
/// # Errors
/// When the system's certificates cannot be read.
pub fn client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // The program's `main` has named ring already; a library test has not. A second call is refused
    // and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(timeout).no_proxy().build()
}
