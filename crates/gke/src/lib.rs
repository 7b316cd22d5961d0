//! GKE manifests of Service Extensions: text in, findings and a plan out.

pub mod cel;
