//! HTML in the making: whatever is written as text is escaped, and nothing else is text.

/// A piece of HTML.
#[derive(Clone, Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    pub(crate) const fn new() -> Self {
        Self(String::new())
    }

    /// Markup of our own.
    pub(crate) fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, which may say whatever it wants: in an element or in a quoted attribute.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // No HTML document may hold the others.
                '\n' | '\t' => self.0.push(c),
                c if c.is_control() => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self
    }

    /// An element with text in it. The class is ours.
    pub(crate) fn element(&mut self, name: &str, class: &str, text: &str) -> &mut Self {
        self.open(name, class)
            .text(text)
            .raw("</")
            .raw(name)
            .raw(">")
    }

    /// The beginning of an element. The class is ours.
    pub(crate) fn open(&mut self, name: &str, class: &str) -> &mut Self {
        self.raw("<").raw(name);
        if !class.is_empty() {
            self.raw(" class=\"").raw(class).raw("\"");
        }
        self.raw(">")
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut html = Html::new();
        html.element(
            "b",
            "x",
            "</script><img src=x onerror='a(\"b\")'>&amp;\0\u{1b}\u{85}",
        );
        assert_eq!(
            html.finish(),
            "<b class=\"x\">&lt;/script&gt;&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;\
             &amp;amp;\u{fffd}\u{fffd}\u{fffd}</b>"
        );
    }
}
