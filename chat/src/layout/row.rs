//! A row of a conversation.

use std::sync::Arc;

use crate::theme::Line;
use crate::thumbnail::Thumbnail;

/// A row of a conversation. Its gutter and its margin are the program's own: what people write stays
/// between them, so it can't pose as anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The entry that it belongs to.
    pub(crate) entry: u64,
    pub(crate) gutter: Gutter,
    pub(crate) line: Line,
    /// What is at the right edge: time and progress.
    pub(crate) margin: Line,
    /// A picture, and which of its rows this is.
    pub(crate) picture: Option<(Arc<Thumbnail>, u16)>,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gutter {
    /// The program's, above a message: day, author, what is missing.
    Head,
    /// A notice of the program.
    Notice,
    /// What a message answers.
    Quote,
    /// Text of a message.
    Text,
    /// A file.
    File,
    /// The program's words in place of what is not here: deleted, expired, does not open.
    Gone,
    /// Reactions.
    Reactions,
}

impl Gutter {
    /// One column.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Self::Head | Self::Notice => " ",
            Self::Quote => "┌",
            Self::Text => "│",
            Self::File => "▤",
            Self::Gone => "┆",
            Self::Reactions => "└",
        }
    }
}

impl Row {
    pub(crate) const fn new(entry: u64, gutter: Gutter, line: Line) -> Self {
        Self { entry, gutter, line, margin: Vec::new(), picture: None }
    }

    /// Columns at the left.
    pub(crate) const fn indent(&self) -> u16 {
        match self.gutter {
            Gutter::Head | Gutter::Notice => 1,
            Gutter::Quote | Gutter::Text | Gutter::File | Gutter::Gone | Gutter::Reactions => 3,
        }
    }
}

/// Columns of a gutter: an empty one, the mark, an empty one.
pub(crate) const GUTTER_WIDTH: usize = 3;

/// Columns of a margin: an empty one, `edited`, an empty one, the time, an empty one, progress.
pub(crate) const MARGIN_WIDTH: usize = 9;
