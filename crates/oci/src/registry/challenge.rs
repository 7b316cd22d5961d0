//! The `WWW-Authenticate` header, and which token services are believed.

use std::collections::BTreeMap;

use url::Url;

/// How a registry wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from a service.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// Parses the header, of which a registry may send several: bearer is preferred.
pub(crate) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Result<Challenge, String> {
    let mut basic = false;
    let mut schemes = Vec::new();
    for header in headers {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let mut parameters = parameters(rest)?;
            let realm = parameters
                .remove("realm")
                .ok_or("the header names no realm")?;
            let (service, scope) = (parameters.remove("service"), parameters.remove("scope"));
            return Ok(Challenge::Bearer {
                realm,
                service,
                scope,
            });
        }
        basic |= scheme.eq_ignore_ascii_case("basic");
        schemes.push(scheme.chars().take(40).collect::<String>());
    }
    match (basic, schemes.is_empty()) {
        (true, _) => Ok(Challenge::Basic),
        (false, true) => Err("status 401 without a WWW-Authenticate header".to_owned()),
        (false, false) => Err(format!("the scheme `{}`", schemes.join(", "))),
    }
}

fn parameters(mut text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    loop {
        text = text.trim_start_matches([' ', ',', '\t']);
        if text.is_empty() {
            return Ok(found);
        }
        let (key, rest) = text.split_once('=').ok_or("a parameter without a value")?;
        let (value, rest) = if let Some(quoted) = rest.strip_prefix('"') {
            let mut value = String::new();
            let mut characters = quoted.char_indices();
            let end = loop {
                match characters.next() {
                    None => return Err("a quoted value without an end".to_owned()),
                    Some((at, '"')) => break at + 1,
                    Some((_, '\\')) => value.extend(characters.next().map(|(_, c)| c)),
                    Some((_, c)) => value.push(c),
                }
            };
            (value, quoted.get(end..).unwrap_or_default())
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (value, rest) = rest.split_at(end);
            (value.trim().to_owned(), rest)
        };
        found.insert(key.trim().to_ascii_lowercase(), value);
        text = rest;
    }
}

/// Whether a token service may be given the credentials of a registry: the same host, one
/// below it, one that it is below (as `gitlab.com` is of `registry.gitlab.com`), Docker Hub's,
/// or one that the user named.
pub(crate) fn trusted(registry: &str, realm: &Url, named: &[String]) -> bool {
    let Some(host) = realm.host_str() else {
        return false;
    };
    let registry = host_of(registry);
    let below = |inner: &str, outer: &str| {
        // Addresses have no domains, and a single label is no domain to share.
        outer.contains('.')
            && !outer.starts_with('[')
            && outer.parse::<std::net::Ipv4Addr>().is_err()
            && inner
                .strip_suffix(outer)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    host == registry
        || below(host, &registry)
        || below(&registry, host)
        || (registry == "index.docker.io" || registry == "registry-1.docker.io")
            && host == "auth.docker.io"
        || named.iter().any(|name| name == host)
}

/// The host without its port.
pub(crate) fn host_of(authority: &str) -> String {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host.to_owned(),
        _ => authority.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_is_preferred_and_quotes_may_hold_commas() {
        let headers = [
            "Basic realm=x",
            r#"bearer realm="https://a/t",Service="s \"q\"", scope="repository:a/b:pull,push""#,
        ];
        let expected = Challenge::Bearer {
            realm: "https://a/t".into(),
            service: Some("s \"q\"".into()),
            scope: Some("repository:a/b:pull,push".into()),
        };
        assert_eq!(parse(headers.into_iter()), Ok(expected));
        assert_eq!(
            parse(["BASIC realm=\"x\""].into_iter()),
            Ok(Challenge::Basic)
        );
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        for bad in [
            vec![],
            vec!["Negotiate"],
            vec!["Bearer"],
            vec!["Bearer realm=\"x"],
            vec!["Bearer realm"],
        ] {
            assert!(parse(bad.iter().copied()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn credentials_go_only_to_hosts_of_the_same_house() {
        let check = |registry: &str, realm: &str| {
            trusted(
                registry,
                &Url::parse(realm).expect("a URL"),
                &["sso.corp.example".into()],
            )
        };
        assert!(check("ghcr.io", "https://ghcr.io/token"));
        assert!(check("localhost:5000", "http://localhost:6000/token"));
        assert!(check("registry.gitlab.com", "https://gitlab.com/jwt/auth"));
        assert!(check("index.docker.io", "https://auth.docker.io/token"));
        assert!(check("r.example", "https://sso.corp.example/t"));
        assert!(!check(
            "us-docker.pkg.dev",
            "https://evil-docker.pkg.dev/token"
        ));
        assert!(!check(
            "r.example.com",
            "https://example.com.evil.org/token"
        ));
        assert!(!check("r.example.com", "https://xr.example.com/token"));
        assert!(!check("127.0.0.1:5000", "http://9.127.0.0.1.evil.org/"));
        assert!(!check("registry.com", "https://com/token"));
    }
}
