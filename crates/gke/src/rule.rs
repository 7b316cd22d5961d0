//! Every rule that a check can find broken: one list, from which the enum, the codes and the
//! fixtures' tests come. A rule without its two fixtures does not compile.

use crate::finding::{Layer, Severity};

/// Calls `$then!` with the list of rules: `Name "Code" Layer Severity "what it asks for";`.
///
/// The code is GKE's own condition reason where the controller has one.
macro_rules! for_each_rule {
    ($then:ident) => {
        $then! {
            // What kubectl and the decoder of the API server say.
            YamlSyntax "YamlSyntax" ApiServer Error "the text is YAML or JSON";
            DuplicateField "DuplicateField" ApiServer Error "a map has each key once";
            UnknownField "UnknownField" ApiServer Error "the kind has the field";
            WrongType "WrongType" ApiServer Error "the value has the field's type";
            ExcessiveAliasing "ExcessiveAliasing" ApiServer Error "aliases do not multiply without bound";
            TooDeep "TooDeep" ApiServer Error "lists and maps nest at most 100 levels";
            TooLarge "RequestTooLarge" ApiServer Error "a document has at most 3 MiB";
            UnknownKind "UnknownKind" Surprise Note "the kind is one that is checked here";
            ApiVersion "ApiVersion" ApiServer Error "the kind exists in that apiVersion";
            ObjectName "ObjectName" ApiServer Error "names are DNS labels or subdomains";
            NameClash "NameClash" Surprise Warning "no two documents are the same object";

            // The structure that the CRDs ask for.
            RequiredField "RequiredField" ApiServer Error "required fields are there";
            TargetRefsCount "TargetRefsCount" ApiServer Error "targetRefs has 1 to 10 items";
            TargetRefGroup "TargetRefGroup" ApiServer Error "targetRefs[].group is a DNS name";
            TargetRefKind "TargetRefKind" ApiServer Error "targetRefs[].kind is a kind's name";
            TargetRefName "TargetRefName" ApiServer Error "targetRefs[].name has 1 to 253 characters";
            ChainsCount "ChainsCount" ApiServer Error "extensionChains has 1 to 5 items";
            ChainName "ChainName" ApiServer Error "a chain's name is a label of up to 63 characters";
            CelExpressionsCount "CelExpressionsCount" ApiServer Error "celExpressions has at most 10 items";
            CelMatcherLength "CelMatcherLength" ApiServer Error "celMatcher has at most 512 characters";
            CelMatcherTokens "CelMatcherTokens" ApiServer Error "celMatcher has only the words that the CRD lists";
            CelBackendRefsCount "CelBackendRefsCount" ApiServer Error "celExpressions[].backendRefs has at most 1 item (gke-2026-04)";
            ExtensionsCount "ExtensionsCount" ApiServer Error "a chain has 1 to 3 extensions";
            ExtensionName "ExtensionName" ApiServer Error "an extension's name is a label of up to 63 characters";
            BackendGroup "BackendGroup" ApiServer Error "backendRef.group is one that the profile admits";
            BackendKind "BackendKind" ApiServer Error "backendRef.kind is one that the profile admits";
            BackendName "BackendName" ApiServer Error "backendRef.name has 1 to 253 characters";
            BackendPort "BackendPort" ApiServer Error "backendRef.port is 1 to 65535";
            GoogleApiName "GoogleApiName" ApiServer Error "googleAPIServiceName names a Google API that the profile admits";
            Authority "Authority" ApiServer Error "authority has at most 1000 characters of a host";
            EventsCount "EventsCount" ApiServer Error "supportedEvents has at most 6 items";
            EventName "EventName" ApiServer Error "supportedEvents holds names of events";
            TimeoutFormat "TimeoutFormat" ApiServer Error "timeout is a Gateway API duration";
            ForwardHeadersCount "ForwardHeadersCount" ApiServer Error "forwardHeaders has at most 50 items";
            ForwardHeader "ForwardHeader" ApiServer Error "forwardHeaders holds header names of 1 to 256 characters";
            MetadataCount "MetadataCount" ApiServer Error "metadata has at most 16 entries";
            MetadataValue "MetadataValue" ApiServer Error "a metadata value has 1 to 1023 characters";
            BodySendMode "BodySendMode" ApiServer Error "a body send mode is Streamed or FullDuplexStreamed";
            KmsKeyName "KmsKeyName" ApiServer Error "kmsKeyName is the full name of a key";
            SampleRate "SampleRate" ApiServer Error "sampleRate is 0 to 1000000";
            MinLogLevel "MinLogLevel" ApiServer Error "minLogLevel is one of six levels";
            VersionsCount "VersionsCount" ApiServer Error "a plugin has 1 to 10 versions";
            VersionName "VersionName" ApiServer Error "a version's name is a label of up to 63 characters";
            VersionDescription "VersionDescription" ApiServer Error "description has at most 1024 characters";
            VersionImage "VersionImage" ApiServer Error "image is a lower-case registry path without a port";
            PluginConfigUri "PluginConfigUri" ApiServer Error "pluginConfigURI is a lower-case registry path without a port";
            VersionWeight "VersionWeight" ApiServer Error "weight is 0 to 1000000";
            FieldValue "FieldValue" ApiServer Error "fields of the other kinds are within their bounds";
            RulesNotChecked "RulesNotChecked" ApiServer Note "nothing keeps the validation rules from running";

            // The CRDs' own validation rules.
            ServiceGroupEmpty "ServiceGroupEmpty" ApiServer Error "a Service is in the empty group";
            WasmPluginGroup "WasmPluginGroup" ApiServer Error "a GCPWasmPlugin is in networking.gke.io";
            ServiceImportGroup "ServiceImportGroup" ApiServer Error "a ServiceImport is in net.gke.io (gke-2026-04)";
            ApigeeGroup "ApigeeGroup" ApiServer Error "an ApigeeBackendService is in apim.googleapis.com (gke-2026-04)";
            ServicePort "ServicePort" ApiServer Error "a Service has a port";
            ServiceImportPort "ServiceImportPort" ApiServer Error "a ServiceImport has a port (gke-2026-04)";
            WasmPluginPort "WasmPluginPort" ApiServer Error "a GCPWasmPlugin has no port";
            CelBackendKind "CelBackendKind" ApiServer Error "celExpressions[].backendRefs are Services (gke-2026-04)";
            TimeoutRange "TimeoutRange" ApiServer Error "timeout is 10 to 10000 milliseconds";
            WasmTimeout "WasmTimeout" ApiServer Error "a plugin has no timeout";
            ServiceAuthority "ServiceAuthority" ApiServer Error "a Service has an authority";
            ApigeeAuthority "ApigeeAuthority" ApiServer Error "an ApigeeBackendService has no authority (gke-2026-04)";
            GoogleApiAuthority "GoogleApiAuthority" ApiServer Error "a Google API has no authority";
            WasmAuthority "WasmAuthority" ApiServer Error "a plugin has no authority";
            OneBackend "OneBackend" ApiServer Error "exactly one of backendRef and googleAPIServiceName";
            WasmEvents "WasmEvents" ApiServer Error "a plugin lists events, and no trailers";
            WasmMetadata "WasmMetadata" ApiServer Error "a plugin has no metadata";
            RequestModeBackend "RequestModeBackend" ApiServer Error "requestBodySendMode needs a callout";
            ResponseModeBackend "ResponseModeBackend" ApiServer Error "responseBodySendMode needs a callout";
            RequestStreamed "RequestStreamed" ApiServer Error "Streamed requests need the event RequestBody";
            ResponseStreamed "ResponseStreamed" ApiServer Error "Streamed responses need the event ResponseBody";
            RequestDuplex "RequestDuplex" ApiServer Error "FullDuplexStreamed requests need body and trailers";
            ResponseDuplex "ResponseDuplex" ApiServer Error "FullDuplexStreamed responses need body and trailers";
            ObservabilityModes "ObservabilityModes" ApiServer Error "observabilityMode goes with Streamed only (gke-2026-04)";
            TrafficEvents "TrafficEvents" ApiServer Error "a GCPTrafficExtension lists events (gke-2026-04)";
            MetadataKeys "MetadataKeys" ApiServer Error "metadata keys have 1 to 63 of the allowed characters";
            SampleRateNeedsLogging "SampleRateNeedsLogging" ApiServer Error "sampleRate only with logging enabled";
            LogLevelNeedsLogging "LogLevelNeedsLogging" ApiServer Error "minLogLevel only with logging enabled";
            UniqueVersions "UniqueVersions" ApiServer Error "version names are unique in a plugin";
            OneServingVersion "OneServingVersion" ApiServer Error "exactly one version has a weight";

            // What the controller reports in conditions.
            GatewayNotFound "NoMatchingTarget" Controller Error "the target Gateway exists in the namespace";
            TargetNotGateway "NoMatchingTarget" Controller Error "the target is a Gateway of gateway.networking.k8s.io";
            GatewayClassUnsupported "NoMatchingTarget" Controller Error "the Gateway's class supports the extension";
            WasmOnRegional "NotAllowed" Controller Error "plugins run on the global external class only";
            WasmOnRouting "NotAllowed" Controller Error "a GCPRoutingExtension calls Services only, no plugins";
            GoogleApiOnRouting "NotAllowed" Controller Error "a GCPRoutingExtension calls no Google API";
            RoutingEvents "NotAllowed" Controller Error "a GCPRoutingExtension sees request headers only, unless full-duplex";
            RoutingBodyMode "NotAllowed" Controller Error "a GCPRoutingExtension takes FullDuplexStreamed requests only";
            ObservabilityOnGlobal "NotAllowed" Controller Error "observabilityMode is for regional classes (gke-2026-04)";
            RoutingChainSize "TooLarge" Controller Error "a GCPRoutingExtension has one extension a chain";
            ConditionTooLong "TooLarge" Controller Error "a whole matchCondition has at most 512 characters";
            MetadataTooLarge "TooLarge" Controller Error "metadata has less than 1 KiB";
            InvalidCelExpression "InvalidCELExpression" Controller Error "the matcher is CEL that the load balancer takes";
            ServiceNotFound "ExtensionServiceNotFound" Controller Error "the callout's Service exists in the namespace";
            ServicePortNotFound "ExtensionServiceNotFound" Controller Error "the callout's Service has the port";
            NoNetworkEndpoints "ExtensionServiceNotFound" Controller Error "the callout's Service selects running Pods";
            ServiceProtocol "InvalidExtensionService" Controller Error "the callout's port has appProtocol HTTP2";
            ServicePolicy "InvalidExtensionService" Controller Error "no IAP, Cloud Armor or Cloud CDN on the callout's Service";
            WasmPluginNotFound "GCPWasmPluginNotFound" Controller Error "the GCPWasmPlugin exists in the namespace";
            Conflicted "Conflicted" Controller Error "one extension of a kind on a Gateway";
            RouteParentNotFound "NoMatchingParent" Controller Error "an HTTPRoute's Gateway exists and takes it";
            RouteBackendNotFound "BackendNotFound" Controller Error "an HTTPRoute's Services and ports exist";
            RouteNotPermitted "RefNotPermitted" Controller Error "backends in other namespaces are granted";
            RouteUnsupported "Invalid" Controller Error "an HTTPRoute asks only for what the class supports";
            RouteHostnames "NoMatchingListenerHostname" Controller Error "an HTTPRoute's hostnames meet a listener's";

            // What is accepted and surprises.
            TrafficEventsAbsent "Required" Surprise Warning "a GCPTrafficExtension lists events, although 1.33 stores it without";
            SixteenMetadataKeys "SixteenMetadataKeys" Surprise Warning "metadata has less than 16 keys";
            ImageTag "ImageTag" Surprise Warning "an image is pinned by digest";
            OddWeight "OddWeight" Surprise Warning "the serving version weighs 1000000";
            UnreachableChain "UnreachableChain" Surprise Warning "no chain stands behind one that always matches";
            NearConditionLimit "NearConditionLimit" Surprise Warning "a whole matchCondition stays clear of 512 characters";
            RepeatedName "RepeatedName" Surprise Warning "chains of a spec and extensions of a chain differ in name";
            UnusedPlugin "UnusedPlugin" Surprise Warning "a GCPWasmPlugin is used by an extension";
            SecretNotFound "SecretNotFound" Surprise Warning "a Deployment's Secrets are among the manifests or made by hand";
            CelSurprise "CelSurprise" Surprise Warning "a matcher means what it seems to mean";
            StatusInManifest "StatusInManifest" Surprise Warning "a manifest has no status, which the server drops";
            UnknownGatewayClass "UnknownGatewayClass" Surprise Warning "a Gateway's class is one of GKE's";
        }
    };
}
macro_rules! define {
    ($($name:ident $code:literal $layer:ident $severity:ident $asks:literal;)*) => {
        /// A rule that manifests are held to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $asks] $name,)*
        }

        impl Rule {
            /// All rules in the order of the list.
            pub const ALL: &[Rule] = &[$(Rule::$name,)*];

            /// The code in reports: GKE's condition reason where one exists.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The rule's own name, unique among rules.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Who reports a breach.
            #[must_use]
            pub fn layer(self) -> Layer {
                match self { $(Self::$name => Layer::$layer,)* }
            }

            /// How bad a breach is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What the rule asks for, in a few words.
            #[must_use]
            pub fn asks(self) -> &'static str {
                match self { $(Self::$name => $asks,)* }
            }
        }
    };
}
for_each_rule!(define);
#[cfg(test)]
pub(crate) use for_each_rule;
