//! The open conversation: the part of its history that is loaded, and where it is looked at.

use std::collections::BTreeSet;

use sealpost_messenger::api::{Entry, HistoryParams, HistoryResult, Peer};

/// The open conversation.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) with: Peer,
    /// A part of the history without holes, the earliest first.
    pub(crate) entries: Vec<Entry>,
    /// Whether there are earlier ones.
    pub(crate) more_before: bool,
    /// Whether the last one that is loaded is the last one.
    pub(crate) is_at_end: bool,
    /// Whether a page is on its way.
    pub(crate) is_loading: bool,
    /// The first entry that was not seen when the conversation was opened.
    pub(crate) first_unread: Option<u64>,
    pub(crate) position: Position,
    pub(crate) selected: Option<u64>,
    /// Long messages that are shown whole.
    pub(crate) unfolded: BTreeSet<u64>,
    /// The last entry of which it was recorded that the user has seen it.
    pub(crate) seen: u64,
    /// The last entry that was seen before the conversation was opened, if some were not.
    read_up_to: Option<u64>,
}

/// Which part of the rows is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// The last ones.
    End,
    /// Those from a row of an entry on.
    From { entry: u64, row: usize },
    /// Those around an entry.
    Around { entry: u64 },
}

impl Thread {
    /// A conversation that is opened at its end.
    pub(crate) const fn new(with: Peer) -> Self {
        Self {
            with,
            entries: Vec::new(),
            more_before: false,
            is_at_end: true,
            is_loading: true,
            first_unread: None,
            position: Position::End,
            selected: None,
            unfolded: BTreeSet::new(),
            seen: 0,
            read_up_to: None,
        }
    }

    /// A conversation that is opened at one of its entries.
    pub(crate) const fn at(with: Peer, entry: u64) -> Self {
        let mut thread = Self::new(with);
        thread.is_at_end = false;
        thread.selected = Some(entry);
        thread.position = Position::Around { entry };
        thread
    }

    /// A conversation that is opened at the first entry that was not seen.
    pub(crate) const fn unread(with: Peer, read_up_to: u64) -> Self {
        let mut thread = Self::new(with);
        thread.is_at_end = false;
        thread.read_up_to = Some(read_up_to);
        thread.seen = read_up_to;
        thread
    }

    /// The pages to begin with.
    pub(crate) fn first_pages(&self) -> Vec<HistoryParams> {
        let with = Some(self.with);
        let page = HistoryParams { with, limit: PAGE, ..HistoryParams::default() };
        let around = match self.position {
            Position::Around { entry } => Some(entry),
            Position::End | Position::From { .. } => self.read_up_to,
        };
        let Some(entry) = around else { return vec![page] };
        let before = HistoryParams { before: entry.checked_add(1), ..page.clone() };
        vec![before, HistoryParams { after: Some(entry), ..page }]
    }

    /// The page before those that are loaded.
    pub(crate) fn earlier_page(&mut self) -> Option<HistoryParams> {
        let first = self.entries.first().filter(|_| self.more_before && !self.is_loading)?.entry;
        self.is_loading = true;
        let with = Some(self.with);
        Some(HistoryParams { with, before: Some(first), after: None, limit: PAGE })
    }

    /// The page after those that are loaded.
    pub(crate) fn later_page(&mut self) -> Option<HistoryParams> {
        let last = self.entries.last().filter(|_| !self.is_at_end && !self.is_loading)?.entry;
        self.is_loading = true;
        let with = Some(self.with);
        Some(HistoryParams { with, before: None, after: Some(last), limit: PAGE })
    }

    /// Takes a page that was asked for.
    pub(crate) fn take_page(&mut self, asked: &HistoryParams, page: HistoryResult) {
        self.is_loading = false;
        if asked.after.is_some() {
            self.is_at_end = !page.more;
        } else {
            self.more_before = page.more;
        }
        page.entries.into_iter().for_each(|entry| self.insert(entry));
        self.find_first_unread();
        self.drop_excess(asked.after.is_some());
    }

    /// Takes an entry that is new, or has changed.
    pub(crate) fn take_entry(&mut self, entry: Entry) {
        let is_known = self.entries.iter().any(|known| known.entry == entry.entry);
        let is_next = self.entries.last().is_none_or(|last| last.entry < entry.entry);
        if is_known || (is_next && self.is_at_end) {
            self.insert(entry);
            self.drop_excess(true);
        }
    }

    pub(crate) fn remove_entry(&mut self, number: u64) {
        self.entries.retain(|entry| entry.entry != number);
        self.selected = self.selected.filter(|selected| *selected != number);
    }

    pub(crate) fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.entry == number)
    }

    pub(crate) fn selected_entry(&self) -> Option<&Entry> {
        self.selected.and_then(|number| self.entry(number))
    }

    /// Moves the selection up or down; from nothing to the last entry.
    pub(crate) fn select(&mut self, step: Step) {
        let at = self.selected.and_then(|n| self.entries.iter().position(|e| e.entry == n));
        let last = self.entries.len().saturating_sub(1);
        let to = match (at, step) {
            (None, Step::Up | Step::Down | Step::Last) | (Some(_), Step::Last) => last,
            (Some(at), Step::Up) => at.saturating_sub(1),
            (Some(at), Step::Down) => at.saturating_add(1).min(last),
            (_, Step::First) => 0,
        };
        self.selected = self.entries.get(to).map(|entry| entry.entry);
    }

    fn insert(&mut self, entry: Entry) {
        match self.entries.binary_search_by_key(&entry.entry, |known| known.entry) {
            Ok(at) => {
                if let Some(known) = self.entries.get_mut(at) {
                    *known = entry;
                }
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// Shows the first entry that was not seen, once it is here: many of the user's own may be before
    /// it.
    fn find_first_unread(&mut self) {
        let Some(read_up_to) = self.read_up_to else { return };
        let is_unread = |entry: &&Entry| entry.from.is_some() && entry.entry > read_up_to;
        let Some(first) = self.entries.iter().find(is_unread).map(|entry| entry.entry) else {
            return;
        };
        self.read_up_to = None;
        self.first_unread = Some(first);
        if self.position == Position::End {
            self.position = Position::Around { entry: first };
        }
    }

    /// Bounds what is held: drops the earliest or the latest.
    fn drop_excess(&mut self, earliest: bool) {
        let excess = self.entries.len().saturating_sub(MAX_ENTRIES);
        if excess == 0 {
            return;
        }
        if earliest {
            self.entries.drain(..excess);
            self.more_before = true;
        } else {
            self.entries.truncate(MAX_ENTRIES);
            self.is_at_end = false;
        }
    }
}

/// A move of the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Up,
    Down,
    First,
    Last,
}

/// Entries of a page.
const PAGE: u32 = 60;

/// Entries that are held.
const MAX_ENTRIES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use sealpost_messenger::api::Body;

    fn entry(number: u64, from: Option<&str>) -> Entry {
        let peer: Peer = "+15550100101".parse().unwrap();
        let at = "2026-11-26T12:03:00Z".parse().unwrap();
        Entry {
            entry: number,
            conversation: peer,
            from: from.map(|from| from.parse().unwrap()),
            message_id: None,
            sent_at: at,
            received_at: from.map(|_| at),
            body: Body::Text { text: number.to_string() },
            mentions: Vec::new(),
            reply_to: None,
            edited_at: None,
            reactions: Vec::new(),
            progress: None,
            copies: Vec::new(),
            trust: None,
            arrival: None,
            after_gap: false,
            group_name: None,
            written_in: None,
            expires_at: None,
        }
    }

    /// Answers a request from a history.
    fn page(history: &[Entry], asked: &HistoryParams) -> HistoryResult {
        let limit = usize::try_from(asked.limit).unwrap();
        let fits = |entry: &&Entry| {
            asked.before.is_none_or(|before| entry.entry < before)
                && asked.after.is_none_or(|after| entry.entry > after)
        };
        let mut entries: Vec<Entry> = history.iter().filter(fits).cloned().collect();
        let more = entries.len() > limit;
        if asked.after.is_some() {
            entries.truncate(limit);
        } else {
            entries.drain(..entries.len().saturating_sub(limit));
        }
        HistoryResult { entries, more }
    }

    #[test]
    fn thousands_of_unread_entries_begin_at_the_first_one() {
        let from = Some("+15550100101");
        let history: Vec<Entry> = (1..=5000).map(|number| entry(number, from)).collect();
        let mut thread = Thread::unread(history[0].conversation, 700);
        for asked in thread.first_pages() {
            thread.take_page(&asked, page(&history, &asked));
        }
        assert_eq!(thread.first_unread, Some(701));
        assert_eq!(thread.position, Position::Around { entry: 701 });
        assert_eq!((thread.entries[0].entry, thread.entries.last().unwrap().entry), (641, 760));
        assert!(thread.more_before && !thread.is_at_end);
        while let Some(asked) = thread.later_page() {
            thread.take_page(&asked, page(&history, &asked));
        }
        assert_eq!(thread.entries.len(), MAX_ENTRIES);
        assert_eq!(thread.entries.last().unwrap().entry, 5000);
        assert_eq!(thread.first_unread, Some(701), "the mark does not move");
    }

    #[test]
    fn first_unread_entry_is_found_behind_many_of_the_users_own() {
        let mut history: Vec<Entry> = (1..=200).map(|number| entry(number, None)).collect();
        history.push(entry(201, Some("+15550100101")));
        let mut thread = Thread::unread(history[0].conversation, 0);
        for asked in thread.first_pages() {
            thread.take_page(&asked, page(&history, &asked));
        }
        assert_eq!(thread.position, Position::End);
        while let Some(asked) = thread.later_page() {
            thread.take_page(&asked, page(&history, &asked));
        }
        assert_eq!(thread.position, Position::Around { entry: 201 });
    }
}
