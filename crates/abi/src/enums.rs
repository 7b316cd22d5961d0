//! The enums of the ABI. A number from the other side is a `u32` until it is checked.

/// Declares an ABI enum whose numbers travel as `u32`, with checked conversion and a name.
macro_rules! abi_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $value:literal => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $name {
            $($(#[$vmeta])* $variant = $value,)+
        }

        impl $name {
            /// Every value, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value with this number, if the ABI has one.
            #[inline]
            pub const fn from_u32(number: u32) -> Option<Self> {
                match number {
                    $($value => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The number on the wire.
            #[inline]
            pub const fn as_u32(self) -> u32 {
                self as u32
            }

            /// The name that the specification uses.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

abi_enum! {
    /// What a hostcall returns. Hosts are known to return numbers that are not in this list.
    Status {
        /// The call did what it says.
        Ok = 0 => "OK",
        /// The thing named does not exist.
        NotFound = 1 => "NOT_FOUND",
        /// An argument is out of range, or the call is not allowed in this phase.
        BadArgument = 2 => "BAD_ARGUMENT",
        /// A value could not be serialised.
        SerializationFailure = 3 => "SERIALIZATION_FAILURE",
        /// A value could not be parsed.
        ParseFailure = 4 => "PARSE_FAILURE",
        /// A pointer or a length is outside of the guest's memory.
        InvalidMemoryAccess = 6 => "INVALID_MEMORY_ACCESS",
        /// The queue has nothing in it.
        Empty = 7 => "EMPTY",
        /// Another writer was first.
        CasMismatch = 8 => "CAS_MISMATCH",
        /// The host failed.
        InternalFailure = 10 => "INTERNAL_FAILURE",
        /// The host does not have this call.
        Unimplemented = 12 => "UNIMPLEMENTED",
    }
}

abi_enum! {
    /// What a stream callback answers.
    Action {
        /// Go on with the stream.
        Continue = 0 => "CONTINUE",
        /// Hold the stream until it is continued or closed.
        Pause = 1 => "PAUSE",
    }
}

abi_enum! {
    /// Severity of a log message, in rising order.
    LogLevel {
        /// Finest detail.
        Trace = 0 => "TRACE",
        /// For people who debug.
        Debug = 1 => "DEBUG",
        /// What happens normally.
        Info = 2 => "INFO",
        /// Something odd.
        Warn = 3 => "WARN",
        /// Something failed.
        Error = 4 => "ERROR",
        /// The plugin cannot go on.
        Critical = 5 => "CRITICAL",
    }
}

abi_enum! {
    /// Byte buffers that a guest can read, and some of which it can write.
    BufferType {
        /// The chunk, or the gathered body, of the request.
        HttpRequestBody = 0 => "HTTP_REQUEST_BODY",
        /// The chunk, or the gathered body, of the response.
        HttpResponseBody = 1 => "HTTP_RESPONSE_BODY",
        /// Bytes from the client of a TCP stream.
        DownstreamData = 2 => "DOWNSTREAM_DATA",
        /// Bytes from the server of a TCP stream.
        UpstreamData = 3 => "UPSTREAM_DATA",
        /// The body of an HTTP callout's response.
        HttpCallResponseBody = 4 => "HTTP_CALL_RESPONSE_BODY",
        /// A message received on a gRPC callout.
        GrpcReceiveBuffer = 5 => "GRPC_CALL_MESSAGE",
        /// The VM's configuration, in `proxy_on_vm_start`.
        VmConfiguration = 6 => "VM_CONFIGURATION",
        /// The plugin's configuration, in `proxy_on_configure`.
        PluginConfiguration = 7 => "PLUGIN_CONFIGURATION",
        /// Arguments of a foreign function that the host calls.
        CallData = 8 => "FOREIGN_FUNCTION_ARGUMENTS",
    }
}

abi_enum! {
    /// Header maps that a guest can read, and some of which it can write.
    MapType {
        /// Headers of the request, pseudo-headers included.
        HttpRequestHeaders = 0 => "HTTP_REQUEST_HEADERS",
        /// Trailers of the request.
        HttpRequestTrailers = 1 => "HTTP_REQUEST_TRAILERS",
        /// Headers of the response, `:status` included.
        HttpResponseHeaders = 2 => "HTTP_RESPONSE_HEADERS",
        /// Trailers of the response.
        HttpResponseTrailers = 3 => "HTTP_RESPONSE_TRAILERS",
        /// Initial metadata of a gRPC callout.
        GrpcReceiveInitialMetadata = 4 => "GRPC_CALL_INITIAL_METADATA",
        /// Trailing metadata of a gRPC callout.
        GrpcReceiveTrailingMetadata = 5 => "GRPC_CALL_TRAILING_METADATA",
        /// Headers of an HTTP callout's response.
        HttpCallResponseHeaders = 6 => "HTTP_CALL_RESPONSE_HEADERS",
        /// Trailers of an HTTP callout's response.
        HttpCallResponseTrailers = 7 => "HTTP_CALL_RESPONSE_TRAILERS",
    }
}

abi_enum! {
    /// Streams that a guest can continue or close.
    StreamType {
        /// The request.
        HttpRequest = 0 => "HTTP_REQUEST",
        /// The response.
        HttpResponse = 1 => "HTTP_RESPONSE",
        /// The client's side of a TCP stream.
        Downstream = 2 => "DOWNSTREAM",
        /// The server's side of a TCP stream.
        Upstream = 3 => "UPSTREAM",
    }
}

abi_enum! {
    /// Kinds of metric.
    MetricType {
        /// Only ever goes up.
        Counter = 0 => "COUNTER",
        /// Goes up and down.
        Gauge = 1 => "GAUGE",
        /// Records a distribution.
        Histogram = 2 => "HISTOGRAM",
    }
}

abi_enum! {
    /// Who closed a TCP connection.
    PeerType {
        /// Not known.
        Unknown = 0 => "UNKNOWN",
        /// This side.
        Local = 1 => "LOCAL",
        /// The other side.
        Remote = 2 => "REMOTE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_specification() {
        let numbers: Vec<u32> = Status::ALL.iter().map(|s| s.as_u32()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 6, 7, 8, 10, 12]);
        assert_eq!(BufferType::PluginConfiguration.as_u32(), 7);
        assert_eq!(MapType::HttpCallResponseTrailers.as_u32(), 7);
        assert_eq!(LogLevel::Critical.as_u32(), 5);
    }

    #[test]
    fn a_number_the_abi_lacks_is_none() {
        for number in [5, 9, 11, 13, u32::MAX] {
            assert_eq!(Status::from_u32(number), None);
        }
        assert_eq!(Action::from_u32(2), None);
    }

    #[test]
    fn every_value_survives_the_wire() {
        for status in Status::ALL {
            assert_eq!(Status::from_u32(status.as_u32()), Some(*status));
        }
        for map in MapType::ALL {
            assert_eq!(MapType::from_u32(map.as_u32()), Some(*map));
        }
    }
}
