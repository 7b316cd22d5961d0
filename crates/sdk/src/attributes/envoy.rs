//! What Envoy computes from a stream. Production offers none of it.

use super::Attribute;
use super::known::attributes;
use crate::{HeaderList, HeaderValue};
use core::time::Duration;

attributes! {
    /// `request.path`: the path, query included.
    PATH: HeaderValue = "request\0path";
    /// `request.url_path`: the path without the query.
    URL_PATH: HeaderValue = "request\0url_path";
    /// `request.host`: the authority.
    HOST: HeaderValue = "request\0host";
    /// `request.scheme`: `http` or `https`.
    SCHEME: HeaderValue = "request\0scheme";
    /// `request.method`: the method.
    METHOD: HeaderValue = "request\0method";
    /// `request.headers`: all headers of the request, in any phase.
    REQUEST_HEADERS: HeaderList = "request\0headers";
    /// `request.referer`: the header of that name.
    REFERER: HeaderValue = "request\0referer";
    /// `request.useragent`: the header `user-agent`.
    USER_AGENT: HeaderValue = "request\0useragent";
    /// `request.time`: when the first byte came, since the Unix epoch.
    REQUEST_TIME: Duration = "request\0time";
    /// `request.id`: the header `x-request-id`.
    REQUEST_ID: HeaderValue = "request\0id";
    /// `request.protocol`: such as `HTTP/2`.
    PROTOCOL: HeaderValue = "request\0protocol";
    /// `request.query`: the query.
    QUERY: HeaderValue = "request\0query";
    /// `request.size`: bytes of the request's body.
    REQUEST_SIZE: i64 = "request\0size";
    /// `request.duration`: how long the exchange took; once it is over.
    REQUEST_DURATION: Duration = "request\0duration";
    /// `response.code`: the status.
    RESPONSE_CODE: i64 = "response\0code";
    /// `response.code_details`: why it is that status.
    RESPONSE_CODE_DETAILS: HeaderValue = "response\0code_details";
    /// `response.flags`: Envoy's response flags, as bits.
    RESPONSE_FLAGS: i64 = "response\0flags";
    /// `response.grpc_status`: the status of a gRPC call.
    RESPONSE_GRPC_STATUS: i64 = "response\0grpc_status";
    /// `response.headers`: all headers of the response, once there are some.
    RESPONSE_HEADERS: HeaderList = "response\0headers";
    /// `response.trailers`: its trailers.
    RESPONSE_TRAILERS: HeaderList = "response\0trailers";
    /// `response.size`: bytes of the response's body.
    RESPONSE_SIZE: i64 = "response\0size";
    /// `source.address`: the client's address and port.
    SOURCE_ADDRESS: HeaderValue = "source\0address";
    /// `source.port`: the client's port.
    SOURCE_PORT: i64 = "source\0port";
    /// `destination.address`: the address and port that the client connected to.
    DESTINATION_ADDRESS: HeaderValue = "destination\0address";
    /// `destination.port`: that port.
    DESTINATION_PORT: i64 = "destination\0port";
    /// `connection.id`: a number of the connection, unique in this process.
    CONNECTION_ID: u64 = "connection\0id";
    /// `connection.mtls`: whether the client showed a certificate.
    MTLS: bool = "connection\0mtls";
    /// `connection.requested_server_name`: the server name of TLS.
    SNI: HeaderValue = "connection\0requested_server_name";
    /// `connection.tls_version`: such as `TLSv1.3`.
    TLS_VERSION: HeaderValue = "connection\0tls_version";
    /// `connection.sha256_peer_certificate_digest`: in hexadecimal.
    SHA256_PEER_CERTIFICATE_DIGEST: HeaderValue = "connection\0sha256_peer_certificate_digest";
    /// `upstream.address`: the address and port of the upstream.
    UPSTREAM_ADDRESS: HeaderValue = "upstream\0address";
    /// `upstream.port`: its port.
    UPSTREAM_PORT: i64 = "upstream\0port";
    /// `xds.cluster_name`: the cluster that the request goes to.
    CLUSTER_NAME: HeaderValue = "xds\0cluster_name";
    /// `xds.route_name`: the route that matched.
    ROUTE_NAME: HeaderValue = "xds\0route_name";
    /// `plugin_name`: the name of this plugin in Envoy's configuration.
    PLUGIN_NAME: HeaderValue = "plugin_name";
    /// `plugin_root_id`: its root id.
    PLUGIN_ROOT_ID: HeaderValue = "plugin_root_id";
    /// `plugin_vm_id`: the id of its VM.
    PLUGIN_VM_ID: HeaderValue = "plugin_vm_id";
}
