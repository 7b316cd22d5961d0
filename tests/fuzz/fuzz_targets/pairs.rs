//! Any bytes as an encoded header map: what decodes encodes back, and nothing is read past the end.

#![no_main]

use gatewright_abi::pairs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(decoded) = pairs::decode(bytes) else {
        return;
    };
    let promised = decoded.len();
    let fields: Vec<(&[u8], &[u8])> = decoded.collect();
    assert_eq!(fields.len(), promised, "the count is the count");
    let mut wire = Vec::new();
    pairs::encode(fields.iter().copied(), &mut wire);
    assert_eq!(pairs::encoded_len(fields.iter().copied()), Some(wire.len()));
    // Bytes after the last pair are ignored, and an empty map has a second spelling.
    if !bytes.is_empty() {
        assert!(bytes.starts_with(&wire), "encoding gives the bytes back");
    }
    let again: Vec<_> = pairs::decode(&wire).expect("it is whole").collect();
    assert_eq!(again, fields);
    // Cut anywhere, it is no map.
    for cut in [1, wire.len() / 2, wire.len() - 1] {
        assert!(fields.is_empty() || pairs::decode(&wire[..cut]).is_err());
    }
});
