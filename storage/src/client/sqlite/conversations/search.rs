//! Searching the timeline for words.

use rusqlite::params;
use sealpost_core::frame::StoreError;

use super::row::{self, ENTRY_COLUMNS};
use super::timeline::Timeline;
use crate::client::conversations::{ConversationId, Entry, EntryId};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::ops::sql_place;

impl SqliteClientStorage {
    /// Entries that contain every word of `text`, at most `limit`, latest first, and from before
    /// `before` if it is given. Case and diacritics make no difference, and no character has a
    /// meaning of its own. The last word may be unfinished, unless a space follows it: then fewer
    /// words of the index have to be read. A text without words finds nothing.
    pub fn search(
        &self,
        text: &str,
        conversation: Option<ConversationId>,
        before: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let Some(query) = query(text, conversation) else { return Ok(Vec::new()) };
        let before = before.map_or(i64::MAX, |entry| sql_place(entry.0));
        self.read(|connection| {
            let sql = format!(
                "SELECT {ENTRY_COLUMNS} FROM timeline WHERE entry IN (
                     SELECT rowid FROM search WHERE search MATCH ?1 AND rowid < ?2
                     ORDER BY rowid DESC LIMIT ?3)
                 ORDER BY entry DESC"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let entries = statement.query_map(params![query, before, limit], row::entry)?;
            entries.map(|entry| Timeline(connection).complete(entry?)).collect()
        })
    }
}

/// A query of FTS5 for every word of a text. Words are quoted, so that nothing in them is an
/// operator. `None` if there are no words.
fn query(text: &str, conversation: Option<ConversationId>) -> Option<String> {
    let has_letters = |word: &&str| word.contains(char::is_alphanumeric);
    let words = text.split_whitespace().filter(has_letters).take(MAX_WORDS);
    let phrases: Vec<_> = words.map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
    if phrases.is_empty() {
        return None;
    }
    // Without an operator between them, those in which the index finds no word are left out.
    let unfinished = if text.ends_with(char::is_whitespace) { "" } else { "*" };
    let words = format!("text : ({}{unfinished})", phrases.join(" "));
    Some(match conversation {
        Some(ConversationId(id)) => format!("{words} AND tag : \"c{id}\""),
        None => words,
    })
}

/// Words that are searched for; more are left out.
const MAX_WORDS: usize = 32;
