//! Whether GKE's `image` and `pluginConfigURI` fields take a reference, and which character
//! they would stumble over.
//!
//! The fields' pattern is `^(https://)?([^/][a-z0-9-.]+)/[a-z0-9-./:@?=]+$`, at most 2000 long.

/// Length that the fields take at most.
const MAX_LENGTH: usize = 2000;

/// Why GKE's field refuses a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Too long.
    #[error("GKE's field takes at most {MAX_LENGTH} characters; the reference has {length}")]
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// No name after the host.
    #[error("GKE's field needs a registry and a name with `/` between them")]
    NoName,
    /// A host that is empty or a single character.
    #[error("GKE's field needs a registry of at least two characters before the first `/`")]
    ShortHost,
    /// A character of the registry's part.
    #[error("GKE's field refuses {character:?} at character {position}, in the registry's name: {}", hint(*.character, true))]
    Host {
        /// The first character that does not fit.
        character: char,
        /// Where, counted from 1.
        position: usize,
    },
    /// A character of the rest.
    #[error("GKE's field refuses {character:?} at character {position}: {}", hint(*.character, false))]
    Name {
        /// The first character that does not fit.
        character: char,
        /// Where, counted from 1.
        position: usize,
    },
}

fn hint(character: char, host: bool) -> &'static str {
    match character {
        ':' if host => "it takes no port",
        '_' => "it takes no underscore",
        c if c.is_ascii_uppercase() => "it takes no upper case",
        c if c.is_whitespace() => "it takes no white space",
        _ if host => "it takes a-z, 0-9, `-` and `.` there",
        _ => "it takes a-z, 0-9 and -./:@?= there",
    }
}

/// Checks a reference against the pattern of GKE's fields.
///
/// # Errors
///
/// [`PatternError`] with the first character that does not fit.
///
/// ```
/// use gatewright_oci::gke_accepts;
/// assert!(gke_accepts("us-docker.pkg.dev/my-project/plugins/local-reply:v1").is_ok());
/// let error = gke_accepts("localhost:5000/local-reply").unwrap_err();
/// assert!(error.to_string().contains("':' at character 10"));
/// ```
pub fn gke_accepts(reference: &str) -> Result<(), PatternError> {
    let length = reference.chars().count();
    if length > MAX_LENGTH {
        return Err(PatternError::TooLong { length });
    }
    let rest = reference.strip_prefix("https://").unwrap_or(reference);
    let offset = length - rest.chars().count();
    let (host, name) = rest.split_once('/').ok_or(PatternError::NoName)?;
    // The pattern takes any first character, be it of sense or not.
    for (at, character) in host.chars().enumerate().skip(1) {
        if !matches!(character, 'a'..='z' | '0'..='9' | '-' | '.') {
            return Err(PatternError::Host {
                character,
                position: offset + at + 1,
            });
        }
    }
    let host_length = host.chars().count();
    if host_length < 2 {
        return Err(PatternError::ShortHost);
    }
    if name.is_empty() {
        return Err(PatternError::NoName);
    }
    for (at, character) in name.chars().enumerate() {
        if !matches!(character, 'a'..='z' | '0'..='9' | '-' | '.' | '/' | ':' | '@' | '?' | '=') {
            return Err(PatternError::Name {
                character,
                position: offset + host_length + at + 2,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offending_character_is_named_with_its_place() {
        let check = |text: &str| gke_accepts(text).expect_err(text).to_string();
        assert_eq!(
            check("localhost:5000/x"),
            "GKE's field refuses ':' at character 10, in the registry's name: it takes no port"
        );
        assert_eq!(
            check("https://a.b/my_plugin"),
            "GKE's field refuses '_' at character 15: it takes no underscore"
        );
        assert_eq!(
            check("a.b/x:V1"),
            "GKE's field refuses 'V' at character 7: it takes no upper case"
        );
        assert_eq!(gke_accepts("local-reply"), Err(PatternError::NoName));
        assert_eq!(gke_accepts("a/b"), Err(PatternError::ShortHost));
        assert!(matches!(
            gke_accepts(&format!("a.b/{}", "x".repeat(1997))),
            Err(PatternError::TooLong { length: 2001 })
        ));
        assert!(gke_accepts("a.b/projects/p/genericArtifacts/x:1").is_err());
    }

    /// The pattern itself, as the API server runs it, on every short text of telling characters.
    #[test]
    fn the_verdict_is_that_of_the_pattern() {
        let pattern = regex::Regex::new(r"^(https://)?([^/][a-z0-9-.]+)/[a-z0-9-./:@?=]+$")
            .expect("compiles");
        let alphabet = ['a', '/', ':', '_', 'A', '.', '\n', '\u{e9}'];
        let mut texts = vec![String::new()];
        for _ in 0..5 {
            let longer: Vec<_> = texts
                .iter()
                .flat_map(|text| alphabet.map(|c| format!("{text}{c}")))
                .collect();
            texts.extend(longer);
            texts.sort_unstable();
            texts.dedup();
        }
        for text in texts
            .iter()
            .flat_map(|text| [text.clone(), format!("https://{text}")])
        {
            assert_eq!(
                gke_accepts(&text).is_ok(),
                pattern.is_match(&text),
                "{text:?}"
            );
        }
    }
}
