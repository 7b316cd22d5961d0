//! Bodies that are streamed and gathered, in every split of their chunks.

use super::*;
use crate::sys::memory::{self, MemoryHost};
use gatewright_abi::BufferType;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Sends chunks through `f` and answers what goes on of each.
fn pass(
    chunks: &[&str],
    mut f: impl FnMut(&mut ResponseBody<'_>) -> Result<(), HostError>,
) -> Vec<String> {
    memory::with(|host| *host = MemoryHost::new());
    let mut seen = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        memory::with(|host| {
            host.buffers = vec![(BufferType::HttpResponseBody, chunk.as_bytes().to_vec())];
        });
        let mut body = ResponseBody::new(chunk.len(), index + 1 == chunks.len());
        f(&mut body).unwrap();
        let (_, left) = memory::with(|host| host.buffers.pop()).unwrap();
        assert_eq!(body.len(), left.len());
        seen.push(String::from_utf8(left).unwrap());
    }
    seen
}

/// Holds the last byte back, and ends the body with an exclamation mark.
struct Late(Option<u8>);

impl Transform for Late {
    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        assert!(!chunk.is_empty());
        out.extend(self.0.take());
        let (last, rest) = chunk.split_last().unwrap();
        out.extend_from_slice(rest);
        self.0 = Some(*last);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend(self.0.take());
        out.push(b'!');
    }
}

#[test]
fn what_a_transform_holds_back_comes_with_the_last_chunk() {
    for (chunks, expected) in [
        (&["abc", "def"][..], &["ab", "cdef!"][..]),
        (&["abc", ""], &["ab", "c!"]),
        (&["", "a", ""], &["", "", "a!"]),
        (&[""], &["!"]),
    ] {
        let mut late = Late(None);
        assert_eq!(pass(chunks, |body| body.transform(&mut late)), expected);
    }
}

#[test]
fn a_transform_that_changes_nothing_writes_nothing() {
    struct Same;
    impl Transform for Same {
        fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
            out.extend_from_slice(chunk);
        }
    }
    pass(&["abc", ""], |body| body.transform(&mut Same));
    assert_eq!(
        memory::with(|host| host.calls.clone()),
        ["proxy_get_buffer_bytes"]
    );
}

fn gathered(limit: usize, chunks: &[&str]) -> (Vec<String>, Vec<Gathered>) {
    let mut gather = Gather::new(limit);
    let mut steps = Vec::new();
    let seen = pass(chunks, |body| {
        steps.push(body.gather(&mut gather, |whole| whole.make_ascii_uppercase())?);
        Ok(())
    });
    (seen, steps)
}

#[test]
fn a_body_within_the_limit_goes_on_whole_and_changed() {
    use Gathered::{More, Whole};
    for (chunks, expected) in [
        (&["ab", "cd"][..], &["", "ABCD"][..]),
        (&["abcd", ""], &["", "ABCD"]),
        (&["", "", "a"], &["", "", "A"]),
        (&[""], &[""]),
    ] {
        let (seen, steps) = gathered(4, chunks);
        assert_eq!(seen, expected);
        assert_eq!(steps.last(), Some(&Whole));
        assert!(steps.iter().rev().skip(1).all(|step| *step == More));
    }
}

#[test]
fn a_body_above_the_limit_loses_no_byte() {
    use Gathered::{More, TooLarge};
    let (seen, steps) = gathered(4, &["ab", "cd", "e", "", "f"]);
    assert_eq!(seen, ["", "", "abcde", "", "f"]);
    assert_eq!(steps, [More, More, TooLarge, TooLarge, TooLarge]);
    let (seen, steps) = gathered(0, &["a"]);
    assert_eq!(
        (&seen[..], &steps[..]),
        (&["a".to_owned()][..], &[TooLarge][..])
    );
}

/// Of one byte, after which nothing more is changed.
struct First(bool);

impl Transform for First {
    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.0 = true;
        out.push(b'*');
        out.extend_from_slice(chunk);
    }

    fn is_over(&self) -> bool {
        self.0
    }
}

#[test]
fn a_rewrite_that_is_over_or_left_makes_no_hostcall() {
    let mut rewrite = Rewrite::default();
    let mut made = 0;
    let seen = pass(&["ab", "cd", ""], |body| {
        rewrite.pass(body, || {
            made += 1;
            Ok(First(false))
        })
    });
    assert_eq!(
        (seen, made),
        (vec!["*ab".into(), "cd".into(), String::new()], 1)
    );
    assert!(rewrite.is_left());

    let mut left = Rewrite::<First>::default();
    left.leave();
    let mut body = ResponseBody::new(2, true);
    // There is no such buffer, so every hostcall would fail.
    memory::with(|host| *host = MemoryHost::new());
    assert_eq!(left.pass(&mut body, || Ok(First(false))), Ok(()));
}

#[test]
fn a_transform_that_cannot_be_made_is_tried_again() {
    let failed = HostError::status("proxy_get_current_time_nanoseconds", 2);
    let mut rewrite = Rewrite::<First>::default();
    let mut body = ResponseBody::new(0, false);
    assert_eq!(rewrite.pass(&mut body, || Err(failed)), Err(failed));
    assert!(!rewrite.is_left());
}
