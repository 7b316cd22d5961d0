//! How a body is cut into chunks.

/// A plan for cutting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChunkPlan {
    /// So many chunks of the same size; the last takes what is left.
    Count(usize),
    /// Chunks of this size.
    Size(usize),
    /// Chunks of these sizes in turn; the last takes what is left.
    Sizes(Vec<usize>),
}

impl ChunkPlan {
    /// Cuts a body. There is always at least one chunk.
    pub(crate) fn split(&self, body: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let length = body.len();
        match self {
            Self::Count(0) => Err("a body cannot be sent in 0 chunks".to_owned()),
            Self::Count(count) if length < *count && length > 0 => Err(format!(
                "a body of {length} bytes cannot be sent in {count} chunks"
            )),
            Self::Count(1) => Ok(vec![body.to_vec()]),
            Self::Count(count) if length == 0 => {
                Err(format!("an empty body cannot be sent in {count} chunks"))
            }
            Self::Count(count) => {
                let size = length / count;
                let mut chunks: Vec<_> = body[..size * (count - 1)]
                    .chunks(size)
                    .map(<[u8]>::to_vec)
                    .collect();
                chunks.push(body[size * (count - 1)..].to_vec());
                Ok(chunks)
            }
            Self::Size(0) => Err("a chunk cannot be of 0 bytes".to_owned()),
            Self::Size(_) if length == 0 => Ok(vec![Vec::new()]),
            Self::Size(size) => Ok(body.chunks(*size).map(<[u8]>::to_vec).collect()),
            Self::Sizes(sizes) => {
                let mut rest = body;
                let mut chunks = Vec::with_capacity(sizes.len());
                for (index, size) in sizes.iter().enumerate() {
                    let last = index + 1 == sizes.len();
                    if *size > rest.len() {
                        return Err(format!(
                            "the chunks take {} bytes, the body has {length}",
                            sizes.iter().sum::<usize>()
                        ));
                    }
                    let (chunk, after) = rest.split_at(if last { rest.len() } else { *size });
                    chunks.push(chunk.to_vec());
                    rest = after;
                }
                if chunks.is_empty() {
                    return Err("a body cannot be sent in 0 chunks".to_owned());
                }
                Ok(chunks)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(plan: ChunkPlan, body: &str, expected: &[&str]) {
        let chunks = plan.split(body.as_bytes()).unwrap();
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| std::str::from_utf8(chunk).unwrap())
            .collect();
        assert_eq!(chunks, expected, "{plan:?}");
    }

    #[test]
    fn a_number_of_chunks_leaves_the_remainder_to_the_last() {
        check(ChunkPlan::Count(3), "abcdefgh", &["ab", "cd", "efgh"]);
        check(ChunkPlan::Count(1), "abc", &["abc"]);
        check(ChunkPlan::Count(1), "", &[""]);
        check(ChunkPlan::Count(3), "abc", &["a", "b", "c"]);
        assert!(ChunkPlan::Count(4).split(b"abc").is_err());
        assert!(ChunkPlan::Count(2).split(b"").is_err());
        assert!(ChunkPlan::Count(0).split(b"abc").is_err());
    }

    #[test]
    fn a_size_of_chunks_leaves_the_rest_to_the_last() {
        check(ChunkPlan::Size(3), "abcdefgh", &["abc", "def", "gh"]);
        check(ChunkPlan::Size(3), "", &[""]);
        check(ChunkPlan::Size(9), "abc", &["abc"]);
        assert!(ChunkPlan::Size(0).split(b"abc").is_err());
    }

    #[test]
    fn sizes_in_turn_leave_the_rest_to_the_last() {
        check(
            ChunkPlan::Sizes(vec![1, 0, 2]),
            "abcdef",
            &["a", "", "bcdef"],
        );
        assert!(ChunkPlan::Sizes(vec![4]).split(b"abc").is_err());
        assert!(ChunkPlan::Sizes(vec![]).split(b"abc").is_err());
    }
}
