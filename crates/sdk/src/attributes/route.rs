//! What a route extension (`LbRouteExtension`) is told.

pub use super::known::{
    CLIENT_IP, CLIENT_PORT, HOST, METHOD, PATH, QUERY, SCHEME, SHA256_PEER_CERTIFICATE_DIGEST, SNI,
    TLS_VERSION,
};
