//! Colours, or none.

use anstyle::{AnsiColor, Color, Style};

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    pub(crate) colour: bool,
}

impl Paint {
    fn style(self, style: Style, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    fn fore(self, colour: AnsiColor, text: &str) -> String {
        self.style(Style::new().fg_color(Some(Color::Ansi(colour))), text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.fore(AnsiColor::Green, text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.fore(AnsiColor::Red, text)
    }

    pub(crate) fn warn(self, text: &str) -> String {
        self.fore(AnsiColor::Yellow, text)
    }

    pub(crate) fn name(self, text: &str) -> String {
        self.fore(AnsiColor::Cyan, text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.style(Style::new().dimmed(), text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.style(Style::new().bold(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_nothing_is_added() {
        assert_eq!(Paint { colour: false }.bad("x"), "x");
        assert_eq!(Paint { colour: true }.bad("x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(Paint { colour: true }.bad(""), "");
    }
}
