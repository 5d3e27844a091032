//! How text may look: colour or not, box characters or plain ASCII, and the few
//! operations on text that depend on it.
//!
//! Colour never carries meaning alone: every mark has a glyph and a word beside it.

/// Colours by meaning, from the sixteen that every terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Good,
    Bad,
    Active,
    Warn,
    Dim,
    Strong,
}

impl Ink {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Active => Some("36"),
            Self::Warn => Some("33"),
            Self::Dim => Some("2"),
            Self::Strong => Some("1"),
        }
    }
}

/// What the output can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) color: bool,
    pub(crate) unicode: bool,
}

impl Style {
    /// Box characters without colour, as the golden tests use it.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self {
        color: false,
        unicode: true,
    };

    /// Seven-bit characters only.
    #[cfg(test)]
    pub(crate) const ASCII: Self = Self {
        color: false,
        unicode: false,
    };

    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        match ink.code() {
            Some(code) if self.color && !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }

    /// `text` in at most `width` columns; an ellipsis shows that something is missing.
    pub(crate) fn clip(self, text: &str, width: usize) -> String {
        if text.chars().count() <= width {
            return text.to_owned();
        }
        let tail = if self.unicode { "\u{2026}" } else { "~" };
        let mut kept: String = text.chars().take(width.saturating_sub(1)).collect();
        if width > 0 {
            kept.push_str(tail);
        }
        kept
    }

    /// A bar of `width` columns with `done` of `total` filled.
    pub(crate) fn bar(self, done: usize, total: usize, width: usize) -> String {
        let filled = (done * width).checked_div(total).unwrap_or(0).min(width);
        let (full, empty) = if self.unicode {
            ("\u{2588}", "\u{2591}")
        } else {
            ("#", ".")
        };
        format!(
            "{}{}",
            self.paint(Ink::Good, &full.repeat(filled)),
            self.paint(Ink::Dim, &empty.repeat(width - filled))
        )
    }
}

/// `text` filled up with spaces to `width` columns. Only for text without colour.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipped_text_keeps_its_width() {
        assert_eq!(Style::PLAIN.clip("abcdef", 6), "abcdef");
        assert_eq!(Style::PLAIN.clip("abcdefg", 6), "abcde\u{2026}");
        assert_eq!(Style::ASCII.clip("abcdefg", 6), "abcde~");
        assert_eq!(Style::PLAIN.clip("abc", 0), "");
    }

    #[test]
    fn a_bar_is_full_only_when_all_is_done() {
        assert_eq!(Style::ASCII.bar(0, 0, 4), "....");
        assert_eq!(Style::ASCII.bar(999, 1000, 4), "###.");
        assert_eq!(Style::ASCII.bar(1000, 1000, 4), "####");
    }

    #[test]
    fn without_colour_there_are_no_escapes() {
        let style = Style {
            color: true,
            unicode: true,
        };
        assert_eq!(style.paint(Ink::Good, "ok"), "\x1b[32mok\x1b[0m");
        assert_eq!(Style::PLAIN.paint(Ink::Good, "ok"), "ok");
    }
}
