//! From nothing to a deployed plugin: one page for each capability, every example compiled.

macro_rules! pages {
    ($($page:ident $title:literal;)*) => {
        $(
            #[doc = $title]
            #[doc = ""]
            #[doc = include_str!(concat!("../guide/", stringify!($page), ".md"))]
            pub mod $page {}
        )*
    };
}

pages! {
    start "Start here.";
    headers "Headers.";
    uri "Paths, queries, hosts and cookies.";
    bodies "Bodies.";
    replies "Replies.";
    attributes "Attributes.";
    time "Clock and randomness.";
    logs "Logs.";
    configuration "Configuration and its schema.";
    envoy "Callouts, metrics, shared data, queues and ticks.";
    testing "Tests.";
    panics "Panics, and why there are none.";
    size "Size and memory.";
}
