//! The Python stack of a slow request, at the moment at which it was found to be slow.

use serde::Serialize;

/// Frames that are kept: the innermost ones.
pub const MAX_FRAMES: usize = 32;

/// Characters of a name of a function or a file that are kept.
const MAX_NAME: usize = 300;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackFrame {
    /// Its function, with its class.
    pub function: String,
    /// Its file, relative to the folder of the application or of the installed packages if it is there.
    pub file: String,
    /// Its line.
    pub line: u32,
}

/// What is known of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackSample {
    /// Its frames, the innermost first.
    Frames {
        /// At most [`MAX_FRAMES`].
        frames: Vec<StackFrame>,
        /// Whether there are more.
        is_cut: bool,
    },
    /// It was not read.
    Missing(MissingStack),
}

/// Why a stack was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingStack {
    /// This build of Python has no GIL: only a thread that cannot run may be looked at.
    FreeThreaded,
    /// The GIL could not be had in time.
    GilHeld,
    /// The thread runs no Python: it waits for the GIL, or has just ended.
    NoFrames,
    /// The request ended before that.
    Ended,
    /// No thread reads stacks: it could not be started, or the interpreter ends.
    NoReader,
    /// Too many requests became slow at the same time.
    TooMany,
}

impl MissingStack {
    /// Returns the reason as text.
    pub fn describe(self) -> &'static str {
        match self {
            Self::FreeThreaded => "the stack of a running thread cannot be read under free threading",
            Self::GilHeld => {
                "the GIL could not be had within a second: C code holds it, or many threads wait for it"
            }
            Self::NoFrames => "the thread was not in Python code: it waited for the GIL, or had just ended",
            Self::Ended => "the request ended before its stack could be read",
            Self::NoReader => {
                "no thread reads stacks: it could not be started, or the interpreter was ending"
            }
            Self::TooMany => "too many requests became slow at the same time",
        }
    }
}

impl StackFrame {
    /// Describes a frame. Names that are too long are cut, and have no control characters.
    pub fn new(function: &str, file: &str, line: u32, folders: &[String]) -> Self {
        let clean = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
        let cut = |text: &str| text.chars().take(MAX_NAME).map(clean).collect();
        Self { function: cut(function), file: cut(shorten_file(file, folders)), line }
    }
}

impl StackSample {
    /// Formats it for the log, on one line.
    pub fn describe(&self) -> String {
        match self {
            Self::Missing(why) => format!("no stack: {}", why.describe()),
            Self::Frames { frames, is_cut } => {
                let shown: Vec<String> = frames
                    .iter()
                    .map(|frame| format!("{} ({}:{})", frame.function, frame.file, frame.line))
                    .collect();
                let more = if *is_cut { " < ..." } else { "" };
                format!("in {}{more}", shown.join(" < "))
            }
        }
    }
}

/// Makes a file relative to the folder that it was imported from, where that is plain.
fn shorten_file<'a>(file: &'a str, folders: &[String]) -> &'a str {
    for folder in ["/site-packages/", "/dist-packages/"] {
        if let Some((_, rest)) = file.rsplit_once(folder) {
            return rest;
        }
    }
    let relative = |folder: &String| file.strip_prefix(folder.as_str())?.strip_prefix('/');
    folders.iter().filter(|folder| !folder.is_empty()).find_map(relative).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_relative_to_where_it_was_imported_from() {
        let folders = ["/srv/shop".to_owned(), String::new()];
        for (file, shown) in [
            ("/srv/shop/cart/views.py", "cart/views.py"),
            ("/srv/shopping/views.py", "/srv/shopping/views.py"),
            ("/v/lib/python3.14/site-packages/flask/app.py", "flask/app.py"),
            ("/usr/lib/python3/dist-packages/yaml/__init__.py", "yaml/__init__.py"),
            ("/usr/lib/python3.14/json/decoder.py", "/usr/lib/python3.14/json/decoder.py"),
            ("<string>", "<string>"),
        ] {
            assert_eq!(shorten_file(file, &folders), shown);
        }
    }

    #[test]
    fn a_stack_is_one_line_of_the_log() {
        let frame = |name: &str| StackFrame::new(name, "/srv/a.py", 7, &["/srv".to_owned()]);
        let sample = StackSample::Frames { frames: vec![frame("inner"), frame("Outer.call")], is_cut: true };
        assert_eq!(sample.describe(), "in inner (a.py:7) < Outer.call (a.py:7) < ...");
        assert_eq!(frame("a\nb").function, "a\u{fffd}b");
        assert_eq!(frame(&"x".repeat(1000)).function.len(), MAX_NAME);
        let missing = StackSample::Missing(MissingStack::FreeThreaded);
        assert!(missing.describe().starts_with("no stack: "));
    }
}
