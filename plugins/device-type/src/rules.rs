//! The first rule that fits names the class: a pure function of some headers.

/// All rules, in order.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Where the class is written.
    pub(crate) header: String,
    pub(crate) rules: Vec<Rule>,
    /// The class where no rule fits.
    pub(crate) otherwise: String,
}

/// A class and what makes one; all texts in lower case.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) class: String,
    pub(crate) header: String,
    pub(crate) contains: Vec<String>,
    pub(crate) equals: Vec<String>,
}

impl Rules {
    /// The class of a client. Each header is asked for once, and only if a rule gets that far.
    pub(crate) fn classify<E>(
        &self,
        mut get: impl FnMut(&str) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<&str, E> {
        let mut known: Vec<(&str, Vec<u8>)> = Vec::new();
        for rule in &self.rules {
            let index = match known.iter().position(|(name, _)| *name == rule.header) {
                Some(index) => index,
                None => {
                    let mut value = get(&rule.header)?.unwrap_or_default();
                    value.make_ascii_lowercase();
                    known.push((&rule.header, value));
                    known.len() - 1
                }
            };
            if known.get(index).is_some_and(|(_, value)| rule.fits(value)) {
                return Ok(&rule.class);
            }
        }
        Ok(&self.otherwise)
    }
}

impl Rule {
    fn fits(&self, value: &[u8]) -> bool {
        self.equals.iter().any(|text| text.as_bytes() == value)
            || self
                .contains
                .iter()
                .any(|text| contains(value, text.as_bytes()))
    }
}

/// By the first byte, which most positions do not have.
fn contains(value: &[u8], text: &[u8]) -> bool {
    let Some(first) = text.first() else {
        return true;
    };
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(text) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}
