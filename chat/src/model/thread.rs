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
    unread: u64,
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
    /// A conversation in which so many entries were not seen.
    pub(crate) const fn new(with: Peer, unread: u64) -> Self {
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
            unread,
        }
    }

    /// A conversation that is opened at one of its entries.
    pub(crate) const fn at(with: Peer, entry: u64) -> Self {
        let mut thread = Self::new(with, 0);
        thread.is_at_end = false;
        thread.selected = Some(entry);
        thread.position = Position::Around { entry };
        thread
    }

    /// The pages to begin with.
    pub(crate) fn first_pages(&self) -> Vec<HistoryParams> {
        let with = Some(self.with);
        let page = HistoryParams { with, limit: PAGE, ..HistoryParams::default() };
        if let Position::Around { entry } = self.position {
            let before = HistoryParams { before: entry.checked_add(1), ..page.clone() };
            return vec![before, HistoryParams { after: Some(entry), ..page }];
        }
        let limit = u32::try_from(self.unread).unwrap_or(u32::MAX).saturating_add(PAGE);
        vec![HistoryParams { limit: limit.min(MAX_PAGE), ..page }]
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
        if asked.before.is_none() && asked.after.is_none() {
            self.find_first_unread();
        }
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

    fn find_first_unread(&mut self) {
        let count = usize::try_from(self.unread).unwrap_or(usize::MAX);
        let received = || self.entries.iter().filter(|entry| entry.from.is_some());
        let Some(before) = count.checked_sub(1) else { return };
        // More were not seen than a page has: as many as there are.
        let first = received().rev().nth(before).or_else(|| received().next());
        self.first_unread = first.map(|entry| entry.entry);
        if let Some(entry) = self.first_unread {
            self.position = Position::Around { entry };
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

/// Largest page that a client gives.
const MAX_PAGE: u32 = 1000;

/// Entries that are held: as many as the largest page has.
const MAX_ENTRIES: usize = 1000;
