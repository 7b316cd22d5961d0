//! The names of hostcalls, callbacks and version markers.

/// Calls the macro named with every hostcall as `Variant "name" (parameter types);`.
///
/// The one list of hostcalls: a table that must have an entry for each of them is built through
/// this macro, so that a missing entry does not compile. Parameters are wasm value types.
///
/// ```
/// macro_rules! names {
///     ($($variant:ident $name:literal ($($parameter:ident),*);)*) => {
///         const NAMES: &[&str] = &[$($name),*];
///     };
/// }
/// gatewright_abi::foreach_hostcall!(names);
/// assert_eq!(NAMES.len(), 39);
/// ```
#[macro_export]
macro_rules! foreach_hostcall {
    ($macro:ident) => {
        $macro! {
            Done "proxy_done" ();
            SetEffectiveContext "proxy_set_effective_context" (i32);
            Log "proxy_log" (i32, i32, i32);
            GetLogLevel "proxy_get_log_level" (i32);
            GetCurrentTimeNanoseconds "proxy_get_current_time_nanoseconds" (i32);
            SetTickPeriodMilliseconds "proxy_set_tick_period_milliseconds" (i32);
            SetBufferBytes "proxy_set_buffer_bytes" (i32, i32, i32, i32, i32);
            GetBufferBytes "proxy_get_buffer_bytes" (i32, i32, i32, i32, i32);
            GetBufferStatus "proxy_get_buffer_status" (i32, i32, i32);
            GetHeaderMapSize "proxy_get_header_map_size" (i32, i32);
            GetHeaderMapPairs "proxy_get_header_map_pairs" (i32, i32, i32);
            SetHeaderMapPairs "proxy_set_header_map_pairs" (i32, i32, i32);
            GetHeaderMapValue "proxy_get_header_map_value" (i32, i32, i32, i32, i32);
            AddHeaderMapValue "proxy_add_header_map_value" (i32, i32, i32, i32, i32);
            ReplaceHeaderMapValue "proxy_replace_header_map_value" (i32, i32, i32, i32, i32);
            RemoveHeaderMapValue "proxy_remove_header_map_value" (i32, i32, i32);
            ContinueStream "proxy_continue_stream" (i32);
            CloseStream "proxy_close_stream" (i32);
            GetStatus "proxy_get_status" (i32, i32, i32);
            SendLocalResponse "proxy_send_local_response" (i32, i32, i32, i32, i32, i32, i32, i32);
            HttpCall "proxy_http_call" (i32, i32, i32, i32, i32, i32, i32, i32, i32, i32);
            GrpcCall "proxy_grpc_call" (i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32);
            GrpcStream "proxy_grpc_stream" (i32, i32, i32, i32, i32, i32, i32, i32, i32);
            GrpcSend "proxy_grpc_send" (i32, i32, i32, i32);
            GrpcCancel "proxy_grpc_cancel" (i32);
            GrpcClose "proxy_grpc_close" (i32);
            SetSharedData "proxy_set_shared_data" (i32, i32, i32, i32, i32);
            GetSharedData "proxy_get_shared_data" (i32, i32, i32, i32, i32);
            RegisterSharedQueue "proxy_register_shared_queue" (i32, i32, i32);
            ResolveSharedQueue "proxy_resolve_shared_queue" (i32, i32, i32, i32, i32);
            EnqueueSharedQueue "proxy_enqueue_shared_queue" (i32, i32, i32);
            DequeueSharedQueue "proxy_dequeue_shared_queue" (i32, i32, i32);
            DefineMetric "proxy_define_metric" (i32, i32, i32, i32);
            RecordMetric "proxy_record_metric" (i32, i64);
            IncrementMetric "proxy_increment_metric" (i32, i64);
            GetMetric "proxy_get_metric" (i32, i32);
            GetProperty "proxy_get_property" (i32, i32, i32, i32);
            SetProperty "proxy_set_property" (i32, i32, i32, i32);
            CallForeignFunction "proxy_call_foreign_function" (i32, i32, i32, i32, i32, i32);
        }
    };
}

/// Calls the macro named with every callback as `Variant "name";`.
#[macro_export]
macro_rules! foreach_callback {
    ($macro:ident) => {
        $macro! {
            OnContextCreate "proxy_on_context_create";
            OnVmStart "proxy_on_vm_start";
            OnConfigure "proxy_on_configure";
            OnTick "proxy_on_tick";
            OnQueueReady "proxy_on_queue_ready";
            OnNewConnection "proxy_on_new_connection";
            OnDownstreamData "proxy_on_downstream_data";
            OnUpstreamData "proxy_on_upstream_data";
            OnDownstreamConnectionClose "proxy_on_downstream_connection_close";
            OnUpstreamConnectionClose "proxy_on_upstream_connection_close";
            OnRequestHeaders "proxy_on_request_headers";
            OnRequestBody "proxy_on_request_body";
            OnRequestTrailers "proxy_on_request_trailers";
            OnResponseHeaders "proxy_on_response_headers";
            OnResponseBody "proxy_on_response_body";
            OnResponseTrailers "proxy_on_response_trailers";
            OnHttpCallResponse "proxy_on_http_call_response";
            OnGrpcReceiveInitialMetadata "proxy_on_grpc_receive_initial_metadata";
            OnGrpcReceive "proxy_on_grpc_receive";
            OnGrpcReceiveTrailingMetadata "proxy_on_grpc_receive_trailing_metadata";
            OnGrpcClose "proxy_on_grpc_close";
            OnForeignFunction "proxy_on_foreign_function";
            OnDone "proxy_on_done";
            OnLog "proxy_on_log";
            OnDelete "proxy_on_delete";
        }
    };
}

macro_rules! hostcalls {
    ($($variant:ident $name:literal ($($param:ident),*);)*) => {
        /// A function that the host offers in module `env`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Hostcall {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl Hostcall {
            /// Every hostcall, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name of the import.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

macro_rules! callbacks {
    ($($variant:ident $name:literal;)*) => {
        /// A function that a guest may export for the host to call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Callback {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl Callback {
            /// Every callback: lifecycle first, then streams, callouts and the end.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name of the export.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

foreach_hostcall!(hostcalls);
foreach_callback!(callbacks);

impl Hostcall {
    /// The hostcall imported under this name, if the ABI has it.
    ///
    /// ```
    /// use gatewright_abi::Hostcall;
    /// assert_eq!(Hostcall::from_name("proxy_log"), Some(Hostcall::Log));
    /// assert_eq!(Hostcall::from_name("proxy_nosuch"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|call| call.name() == name)
    }
}

impl Callback {
    /// The callback exported under this name, if the ABI has it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|call| call.name() == name)
    }
}

/// Version of the ABI that a guest marks by an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `proxy_abi_version_0_1_0`: header callbacks without `end_of_stream`.
    V0_1_0,
    /// `proxy_abi_version_0_2_0`: adds `end_of_stream`, streams to continue and close.
    V0_2_0,
    /// `proxy_abi_version_0_2_1`: adds `proxy_get_log_level`; what every current SDK marks.
    V0_2_1,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: &'static [Self] = &[Self::V0_1_0, Self::V0_2_0, Self::V0_2_1];

    /// The name of the exported marker.
    pub const fn marker(self) -> &'static str {
        match self {
            Self::V0_1_0 => "proxy_abi_version_0_1_0",
            Self::V0_2_0 => "proxy_abi_version_0_2_0",
            Self::V0_2_1 => "proxy_abi_version_0_2_1",
        }
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_2_1 => "0.2.1",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_call() {
        assert_eq!(Hostcall::ALL.len(), 39);
        for call in Hostcall::ALL {
            assert_eq!(Hostcall::from_name(call.name()), Some(*call));
        }
        for callback in Callback::ALL {
            assert_eq!(Callback::from_name(callback.name()), Some(*callback));
        }
    }

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = Hostcall::ALL.iter().map(|c| c.name()).collect();
        names.extend(Callback::ALL.iter().map(|c| c.name()));
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
