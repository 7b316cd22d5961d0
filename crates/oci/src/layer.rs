//! A layer: one file in a tar in gzip, the same bytes for the same file everywhere.

pub mod read;

use tar::{EntryType, Header};

/// Bytes of one layer before and after compression.
#[derive(Debug)]
pub(crate) struct PackedLayer {
    /// The tar, whose digest is the layer's `diff_id`.
    pub(crate) tar: Vec<u8>,
    /// The gzipped tar, which is what is stored.
    pub(crate) gzip: Vec<u8>,
}

/// Packs one file at the root: mode 0644, owner 0:0, time 0, no names of users.
pub(crate) fn pack(name: &str, content: &[u8]) -> std::io::Result<PackedLayer> {
    let mut builder = tar::Builder::new(Vec::new());
    append(&mut builder, name, content)?;
    let tar = builder.into_inner()?;
    let gzip = gzip(&tar);
    Ok(PackedLayer { tar, gzip })
}

/// Adds one file with every field of its header fixed.
pub(crate) fn append<W: std::io::Write>(
    builder: &mut tar::Builder<W>,
    name: &str,
    content: &[u8],
) -> std::io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, name, content)
}

/// Compresses at the highest level, with no name, no time and "unknown" as operating system.
fn gzip(data: &[u8]) -> Vec<u8> {
    const LEVEL: u8 = 9;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    out.extend(miniz_oxide::deflate::compress_to_vec(data, LEVEL));
    let mut crc = flate2::Crc::new();
    crc.update(data);
    out.extend(crc.sum().to_le_bytes());
    // The format stores the length modulo 2^32.
    out.extend((data.len() as u32).to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    /// A stretch of bytes that compresses like code: repetitive, with noise.
    fn sample(len: usize) -> Vec<u8> {
        let mut state = 0x2545_f491_u32;
        (0..len)
            .map(|i| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                if i % 7 == 0 {
                    state as u8
                } else {
                    (i / 16) as u8
                }
            })
            .collect()
    }

    #[test]
    fn a_large_layer_compresses_to_the_same_bytes_on_every_machine() {
        let layer = pack("plugin.wasm", &sample(300_000)).expect("writing to memory");
        assert_eq!(layer.tar.len(), 512 + 300_032 + 1024);
        assert_eq!(
            [&layer.tar, &layer.gzip].map(|bytes| Digest::of(bytes).to_string()),
            [
                "sha256:2f0c45b59ceef7a17f9f4a8b8424eb1b0adfc9d502862ca0e6b93ad8e5d04547",
                "sha256:c2a11d158a5f84a51db1ee0e7213e1723537516477f175319e38708f3bbf3109"
            ]
        );
    }

    #[test]
    fn another_gzip_reads_what_is_written() {
        let data = sample(100_000);
        let mut back = Vec::new();
        std::io::Read::read_to_end(
            &mut flate2::read::GzDecoder::new(&gzip(&data)[..]),
            &mut back,
        )
        .expect("valid gzip");
        assert_eq!(back, data);
    }
}
