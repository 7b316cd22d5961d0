//! The host of a URL, exchanged for another.

/// The URL with another host, if `from` is its host; the case of hosts does not matter, and a port
/// stays.
pub(crate) fn replace(url: &str, from: &str, to: &str) -> Option<String> {
    let (before, rest) = url.split_once("//")?;
    // A scheme or nothing, lest a path with two slashes be taken for a host.
    if !before.is_empty() && !before.ends_with(':') {
        return None;
    }
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (&authority.get(..=user.len())?, host),
        None => (&"", authority),
    };
    let (name, port) = match host.find(':') {
        Some(at) => host.split_at_checked(at)?,
        None => (host, ""),
    };
    name.eq_ignore_ascii_case(from)
        .then(|| [before, "//", user, to, port, path].concat())
}
