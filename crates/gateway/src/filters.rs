//! The filters of a rule, compiled: what is done to a request after the traffic extension, and to
//! the response after it.

use gatewright_gke::{Filter, RouteRule};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use serde_json::Value;

/// All filters of a rule.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    pub(crate) request: Modifier,
    pub(crate) response: Modifier,
    pub(crate) rewrite: Option<Rewrite>,
    pub(crate) redirect: Option<Redirect>,
    /// Namespace, name and port of the Services that get a copy.
    pub(crate) mirrors: Vec<(String, String, u16)>,
}

/// Changes of headers: what is set, then what is added, then what is removed.
#[derive(Debug, Default)]
pub(crate) struct Modifier {
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

/// `URLRewrite`.
#[derive(Debug)]
pub(crate) struct Rewrite {
    pub(crate) hostname: Option<HeaderValue>,
    path: Option<NewPath>,
}

/// `RequestRedirect`.
#[derive(Debug)]
pub(crate) struct Redirect {
    scheme: Option<String>,
    hostname: Option<String>,
    port: Option<u16>,
    path: Option<NewPath>,
    status: StatusCode,
}

/// What becomes of a path.
#[derive(Debug)]
enum NewPath {
    Full(String),
    /// In place of the prefix that matched.
    Prefix(String),
}

impl Filters {
    /// Compiles the filters of a rule. What does not compile was reported by the check and is left
    /// out.
    pub(crate) fn new(rule: &RouteRule, namespace: &str) -> Self {
        let mut filters = Self::default();
        for Filter { kind, content, .. } in &rule.filters {
            match kind.as_str() {
                "RequestHeaderModifier" => {
                    filters.request.extend(&content["requestHeaderModifier"]);
                }
                "ResponseHeaderModifier" => {
                    filters.response.extend(&content["responseHeaderModifier"]);
                }
                "URLRewrite" => filters.rewrite = Some(Rewrite::new(&content["urlRewrite"])),
                "RequestRedirect" => {
                    filters.redirect = Some(Redirect::new(&content["requestRedirect"]));
                }
                "RequestMirror" => {
                    let backend = &content["requestMirror"]["backendRef"];
                    let text = |key: &str| backend[key].as_str().map(str::to_owned);
                    let port = backend["port"].as_u64().and_then(|p| u16::try_from(p).ok());
                    if let Some(name) = text("name") {
                        let namespace = text("namespace").unwrap_or_else(|| namespace.to_owned());
                        filters.mirrors.push((namespace, name, port.unwrap_or(80)));
                    }
                }
                _ => {}
            }
        }
        filters
    }
}

impl Modifier {
    fn extend(&mut self, content: &Value) {
        let named = |item: &Value| {
            let name = HeaderName::from_bytes(item["name"].as_str()?.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(item["value"].as_str()?).ok()?))
        };
        let list = |key: &str| content[key].as_array().into_iter().flatten();
        self.set.extend(list("set").filter_map(named));
        self.add.extend(list("add").filter_map(named));
        self.remove.extend(
            list("remove")
                .filter_map(|name| HeaderName::from_bytes(name.as_str()?.as_bytes()).ok()),
        );
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
        for name in &self.remove {
            headers.remove(name);
        }
    }
}

impl NewPath {
    fn new(content: &Value) -> Option<Self> {
        let text = |key: &str| content[key].as_str().map(str::to_owned);
        match content["type"].as_str()? {
            "ReplaceFullPath" => text("replaceFullPath").map(Self::Full),
            "ReplacePrefixMatch" => text("replacePrefixMatch").map(Self::Prefix),
            _ => None,
        }
    }

    /// The new path; `prefix` is what the rule's match took.
    fn of(&self, path: &str, prefix: &str) -> String {
        match self {
            Self::Full(full) => full.clone(),
            Self::Prefix(new) => {
                let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
                let rest = path.strip_prefix(prefix).unwrap_or(path);
                let new = new.strip_suffix('/').unwrap_or(new);
                match (new, rest) {
                    ("", "") => "/".to_owned(),
                    // Only a slash more or less is left, and the new prefix has none to lose.
                    (_, "/") if prefix.is_empty() => format!("{new}/"),
                    _ => format!("{new}{rest}"),
                }
            }
        }
    }
}

impl Rewrite {
    fn new(content: &Value) -> Self {
        Self {
            hostname: content["hostname"]
                .as_str()
                .and_then(|host| HeaderValue::from_str(host).ok()),
            path: NewPath::new(&content["path"]),
        }
    }

    /// Path and query after the rewrite, if they change.
    pub(crate) fn target(&self, uri: &Uri, prefix: &str) -> Option<PathAndQuery> {
        let path = self.path.as_ref()?.of(uri.path(), prefix);
        let target = match uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        target.parse().ok()
    }
}

impl Redirect {
    fn new(content: &Value) -> Self {
        let text = |key: &str| content[key].as_str().map(str::to_owned);
        let status = content["statusCode"].as_u64().unwrap_or(302);
        Self {
            scheme: text("scheme"),
            hostname: text("hostname"),
            port: content["port"].as_u64().and_then(|p| u16::try_from(p).ok()),
            path: NewPath::new(&content["path"]),
            status: u16::try_from(status)
                .ok()
                .and_then(|status| StatusCode::from_u16(status).ok())
                .unwrap_or(StatusCode::FOUND),
        }
    }

    /// Status and `location` for a request. The port is the listener's own unless the filter says
    /// otherwise, and a scheme of its own brings its well-known port with it.
    pub(crate) fn answer(
        &self,
        scheme: &str,
        authority: &str,
        uri: &Uri,
        prefix: &str,
    ) -> (StatusCode, String) {
        let (host, own_port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
                (host, port.parse::<u16>().ok())
            }
            _ => (authority, None),
        };
        let new_scheme = self.scheme.as_deref().unwrap_or(scheme);
        let port = self.port.or(match &self.scheme {
            Some(_) => None,
            None => own_port,
        });
        let well_known = if new_scheme == "https" { 443 } else { 80 };
        let port = match port.filter(|port| *port != well_known) {
            Some(port) => format!(":{port}"),
            None => String::new(),
        };
        let host = self.hostname.as_deref().unwrap_or(host);
        let path = match &self.path {
            Some(path) => path.of(uri.path(), prefix),
            None => uri.path().to_owned(),
        };
        let query = uri
            .query()
            .map_or(String::new(), |query| format!("?{query}"));
        (
            self.status,
            format!("{new_scheme}://{host}{port}{path}{query}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_prefix_is_replaced_by_whole_segments() {
        let check = |new: &str, prefix: &str, path: &str, expected: &str| {
            let content = json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": new});
            let found = NewPath::new(&content).expect("a path").of(path, prefix);
            assert_eq!(found, expected, "{prefix} -> {new} on {path}");
        };
        // The examples of the Gateway API's own table.
        check("/xyz", "/foo", "/foo/bar", "/xyz/bar");
        check("/xyz/", "/foo", "/foo/bar", "/xyz/bar");
        check("/xyz", "/foo/", "/foo/bar", "/xyz/bar");
        check("/xyz", "/foo", "/foo", "/xyz");
        check("/xyz/", "/foo", "/foo", "/xyz");
        check("/", "/foo", "/foo/bar", "/bar");
        check("/", "/foo", "/foo", "/");
        check("/", "/foo", "/foo/", "/");
        check("/xyz", "/", "/bar", "/xyz/bar");
    }

    #[test]
    fn a_redirect_names_the_whole_location() {
        let check = |content: Value, expected: (u16, &str)| {
            let uri: Uri = "/a/b?q=1".parse().expect("a target");
            let (status, location) =
                Redirect::new(&content).answer("http", "store.test:8080", &uri, "/a");
            assert_eq!((status.as_u16(), location.as_str()), expected);
        };
        check(json!({}), (302, "http://store.test:8080/a/b?q=1"));
        check(
            json!({"scheme": "https", "statusCode": 301}),
            (301, "https://store.test/a/b?q=1"),
        );
        check(
            json!({"scheme": "https", "port": 8443, "hostname": "b.test"}),
            (302, "https://b.test:8443/a/b?q=1"),
        );
        check(
            json!({"path": {"type": "ReplaceFullPath", "replaceFullPath": "/c"}, "port": 80}),
            (302, "http://store.test/c?q=1"),
        );
    }

    #[test]
    fn headers_are_set_added_and_removed() {
        let mut modifier = Modifier::default();
        modifier.extend(&json!({
            "set": [{"name": "X-Set", "value": "new"}],
            "add": [{"name": "x-add", "value": "more"}],
            "remove": ["x-gone"],
        }));
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-set", "old"), ("x-add", "one"), ("x-gone", "here")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        modifier.apply(&mut headers);
        assert_eq!(headers["x-set"], "new");
        assert_eq!(headers.get_all("x-add").iter().count(), 2);
        assert!(!headers.contains_key("x-gone"));
    }
}
