//! Messages of blocked people.

use rusqlite::params;
use sealpost_core::client::store::InboxItem;

use super::timeline::Timeline;
use crate::client::sqlite::ops::sql_place;

impl Timeline<'_> {
    /// Overwrites the content of a message. Its row stays for a while, so that a repeat is known: each
    /// message that is dropped takes away the one that is then too far back.
    pub(super) fn drop_received(&self, item: &InboxItem) -> rusqlite::Result<()> {
        self.prepare("UPDATE inbox SET kind = 1, content = x'' WHERE place = ?1")?
            .execute([sql_place(item.place.0)])?;
        self.prepare(
            "DELETE FROM inbox
             WHERE place = (SELECT place FROM inbox INDEXED BY inbox_peer WHERE phone_number = ?1
                            ORDER BY place DESC LIMIT 1 OFFSET ?2)
               AND kind = 1 AND content = x''
               AND NOT EXISTS (SELECT 1 FROM timeline WHERE timeline.place = inbox.place)
               AND NOT EXISTS (SELECT 1 FROM sources WHERE sources.place = inbox.place)
               AND NOT EXISTS (SELECT 1 FROM file_arrivals WHERE file_arrivals.place = inbox.place)",
        )?
        .execute(params![item.message.phone.to_string(), KNOWN])
        .map(drop)
    }
}

/// Messages of a blocked person of which it is known that they were received.
const KNOWN: u32 = 1_024;
