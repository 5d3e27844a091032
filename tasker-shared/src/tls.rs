//! The one TLS implementation of a process: rustls with ring, as the database
//! driver has it anyway.
//!
//! The HTTP client under the REST client and under the OTLP exporter is built
//! without a choice of its own and panics where none was made: whoever builds
//! one calls [`install`] first.

/// Makes ring the cryptography of the process. If the program around us has
/// chosen another, that stands.
pub fn install() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
