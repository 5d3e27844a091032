//! Where text goes: stdout in one style, notes on stderr, and a screen that is
//! drawn over in place.
//!
//! Every write can fail, because the reader may be gone; nothing here panics on
//! it as `println!` would.

use std::io::{self, IsTerminal as _, Write};

use crossterm::{cursor, queue, terminal};
use serde::Serialize;

use crate::failure::Failure;
use crate::render::{Frame, Style};

/// Columns where there is no terminal to ask.
const WIDTH: usize = 120;

/// Stdout and stderr of this process.
#[derive(Debug)]
pub(crate) struct Output {
    stdout: io::Stdout,
    stderr: io::Stderr,
    pub(crate) style: Style,
    /// Whether stdout is a terminal that can be drawn over.
    pub(crate) live: bool,
}

impl Output {
    pub(crate) fn new(no_color: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let tty = stdout.is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let color = tty && !dumb && !no_color && !set("NO_COLOR");
        let style = Style {
            color,
            unicode: speaks_utf8(),
        };
        Self {
            stdout,
            stderr,
            style,
            live: tty && !dumb,
        }
    }

    /// Text as it is; whoever calls ends its lines.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut out = self.stdout.lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        self.text(&format!("{text}\n"))
    }

    /// One document of JSON, indented for people; tools do not mind.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|error| bad_json(&error))?;
        self.line(&text)
    }

    /// One line of JSON, for a stream of documents.
    pub(crate) fn json_line<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| bad_json(&error))?;
        self.line(&text)
    }

    /// A remark on stderr, which scripts do not read.
    pub(crate) fn note(&self, text: &str) {
        // A remark that nobody can see is not worth an error.
        let _ = writeln!(self.stderr.lock(), "{text}");
    }

    pub(crate) fn frame(&self) -> Frame {
        let size = if self.live {
            terminal::size().ok()
        } else {
            None
        };
        match size.filter(|&(columns, rows)| columns > 0 && rows > 0) {
            Some((columns, rows)) => Frame {
                width: usize::from(columns).max(20),
                height: Some(usize::from(rows).saturating_sub(1).max(6)),
                style: self.style,
            },
            None => Frame {
                width: WIDTH,
                height: None,
                style: self.style,
            },
        }
    }
}

fn bad_json(error: &serde_json::Error) -> Failure {
    Failure::internal(format!("the answer cannot be written as JSON: {error}"))
}

/// As the C library decides it: the first of these variables that is set.
fn speaks_utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

/// A part of the terminal that each drawing replaces.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    rows: usize,
}

impl Screen {
    /// Draws `text` over what this screen drew before.
    pub(crate) fn draw(&mut self, text: &str, width: usize) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if self.rows > 0 {
            let up = u16::try_from(self.rows).unwrap_or(u16::MAX);
            queue!(out, cursor::MoveUp(up), cursor::MoveToColumn(0))?;
            queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
        }
        out.write_all(text.as_bytes())?;
        out.flush()?;
        self.rows = text
            .lines()
            .map(|line| shown_width(line).div_ceil(width.max(1)).max(1))
            .sum();
        Ok(())
    }
}

/// Columns a line takes, its colours not counted.
fn shown_width(line: &str) -> usize {
    let mut width = 0;
    let mut escape = false;
    for letter in line.chars() {
        match letter {
            '\x1b' => escape = true,
            'm' if escape => escape = false,
            _ if !escape => width += 1,
            _ => {}
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::shown_width;

    #[test]
    fn colours_take_no_room() {
        assert_eq!(shown_width("\x1b[32mok\x1b[0m me"), 5);
    }
}
