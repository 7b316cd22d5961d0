//! Every attribute that production forwards, of which each attach point names its own.
//!
//! Source: the page "Supported attributes" of the Service Extensions documentation, in its form
//! with a column for each kind of extension.

use super::Attribute;
use crate::HeaderValue;

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $path:literal;)*) => {
        $($(#[$doc])* pub const $name: Attribute<$type> = Attribute::new($path);)*
    };
}
pub(super) use attributes;

attributes! {
    /// `request.method`: the method, such as `GET`.
    METHOD: HeaderValue = "request\0method";
    /// `request.host`: the host, as the header has it.
    HOST: HeaderValue = "request\0host";
    /// `request.path`: the path.
    PATH: HeaderValue = "request\0path";
    /// `request.query`: the query, not decoded.
    QUERY: HeaderValue = "request\0query";
    /// `request.scheme`: `http` or `https`.
    SCHEME: HeaderValue = "request\0scheme";
    /// `request.origin`: the `origin` header of a cross-origin request.
    ORIGIN: HeaderValue = "request\0origin";
    /// `request.user_agent_family`: the family of the client's program. Global external load
    /// balancers only.
    USER_AGENT_FAMILY: HeaderValue = "request\0user_agent_family";
    /// `request.device_request_type`: the kind of the client's device. Global external load
    /// balancers only.
    DEVICE_REQUEST_TYPE: HeaderValue = "request\0device_request_type";
    /// `request.backend_service_name`: the backend service that the request goes to.
    BACKEND_SERVICE_NAME: HeaderValue = "request\0backend_service_name";
    /// `request.backend_service_project_number`: the project of that service, where the VPC is
    /// shared.
    BACKEND_SERVICE_PROJECT_NUMBER: i64 = "request\0backend_service_project_number";
    /// `source.ip`: the client's address.
    CLIENT_IP: HeaderValue = "source\0ip";
    /// `source.port`: the client's port.
    CLIENT_PORT: i64 = "source\0port";
    /// `source.client_region`: the country of the client's address, such as `US`.
    CLIENT_REGION: HeaderValue = "source\0client_region";
    /// `source.client_region_subdivision`: the province or state, such as `USCA`.
    CLIENT_REGION_SUBDIVISION: HeaderValue = "source\0client_region_subdivision";
    /// `source.client_city`: the city, such as `Mountain View`.
    CLIENT_CITY: HeaderValue = "source\0client_city";
    /// `connection.sni`: the server name that the client asked for when it began TLS.
    SNI: HeaderValue = "connection\0sni";
    /// `connection.tls_version`: such as `TLSv1.3`.
    TLS_VERSION: HeaderValue = "connection\0tls_version";
    /// `connection.sha256_peer_certificate_digest`: of the client's certificate, in hexadecimal.
    SHA256_PEER_CERTIFICATE_DIGEST: HeaderValue = "connection\0sha256_peer_certificate_digest";
}
