//! Patterns in which `*` stands for any bytes, and everything else for itself.

/// Whether the whole of `text` is what the pattern says. Takes at most `pattern × text` steps.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut left, mut rest) = (pattern, text);
    // What follows the last star, and the text from where that was tried last.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (left.split_first(), rest.split_first()) {
            (Some((b'*', after)), _) => {
                retry = Some((after, rest));
                left = after;
            }
            (Some((wanted, after)), Some((byte, tail))) if wanted == byte => {
                (left, rest) = (after, tail);
            }
            (None, None) => return true,
            _ => {
                let Some((after, [_, tail @ ..])) = retry else {
                    return false;
                };
                retry = Some((after, tail));
                (left, rest) = (after, tail);
            }
        }
    }
}
