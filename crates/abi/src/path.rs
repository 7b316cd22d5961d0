//! Property paths: segments joined by a zero byte.

/// Joins the segments of a property path as the ABI sends it.
///
/// ```
/// use gatewright_abi::path;
/// assert_eq!(path::join(["request", "path"]), b"request\0path");
/// ```
pub fn join<'a>(segments: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut joined = Vec::new();
    for (index, segment) in segments.into_iter().enumerate() {
        if index > 0 {
            joined.push(0);
        }
        joined.extend_from_slice(segment.as_bytes());
    }
    joined
}

/// The segments of a property path. One trailing zero byte, which some SDKs send, is ignored.
///
/// ```
/// use gatewright_abi::path;
/// let segments: Vec<&[u8]> = path::split(b"request\0headers\0").collect();
/// assert_eq!(segments, [&b"request"[..], b"headers"]);
/// ```
pub fn split(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.strip_suffix(&[0])
        .unwrap_or(path)
        .split(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_survive_the_wire() {
        let joined = join(["request", "headers", "x-a"]);
        assert_eq!(joined, b"request\0headers\0x-a");
        assert_eq!(
            split(&joined).collect::<Vec<_>>(),
            [&b"request"[..], b"headers", b"x-a"]
        );
    }

    #[test]
    fn an_empty_path_is_one_empty_segment() {
        assert_eq!(join([]), b"");
        assert_eq!(split(b"").collect::<Vec<_>>(), [&b""[..]]);
    }
}
