//! No page, list or search reads the whole timeline, however long it is.

use super::bed::Bed;

#[test]
fn nothing_scans_the_timeline() {
    let mut bed = Bed::new();
    bed.hear(2, 1, "hello");
    let connection = &bed.store().writer.connection;
    for sql in [
        "SELECT text FROM timeline WHERE conversation = 1 AND entry < 9 ORDER BY entry DESC LIMIT 9",
        "SELECT text FROM timeline WHERE conversation = 1 AND entry > 9 ORDER BY entry LIMIT 9",
        "SELECT entry FROM timeline WHERE author = x'00' AND event_id = x'00' AND conversation = 1",
        "SELECT entry FROM timeline WHERE author = x'00' AND message_id = 1 AND conversation = 1
         ORDER BY entry DESC LIMIT 1",
        "SELECT entry FROM timeline WHERE author IS NULL AND event_id = x'00' AND conversation = 1",
        "SELECT timeline.entry FROM outbox JOIN copies USING (token) JOIN timeline USING (entry)
         WHERE outbox.message_id = 1 AND timeline.conversation = 1 AND carries = 0",
        "SELECT 1 FROM timeline WHERE author IS NULL AND event_id = x'00'",
        "SELECT count(*) FROM timeline
         WHERE conversation = 1 AND author IS NOT NULL AND kind <> 4 AND entry > 7",
        "UPDATE timeline SET expires_at = 1 + expiry_secs
         WHERE conversation = 1 AND entry <= 7 AND author IS NOT NULL
           AND expiry_secs IS NOT NULL AND expires_at IS NULL",
        "SELECT expires_at FROM timeline WHERE expires_at IS NOT NULL ORDER BY expires_at LIMIT 1",
        "SELECT entry FROM timeline WHERE expires_at IS NOT NULL AND expires_at <= 9
         ORDER BY expires_at LIMIT 9",
        "SELECT copies.token FROM copies LEFT JOIN outbox ON outbox.token = copies.token
         WHERE entry = 1 AND carries = 0 ORDER BY copies.token",
        "SELECT emoji FROM reactions WHERE entry = 1 ORDER BY author",
        "UPDATE inbox SET kind = 1 WHERE place IN (
             SELECT place FROM timeline WHERE entry = 1
             UNION ALL SELECT place FROM sources WHERE entry = 1)",
        "UPDATE outbox SET kind = 1
         WHERE token IN (SELECT token FROM copies WHERE entry = 1) AND status >= 1",
        "UPDATE copies SET read_at = 1 WHERE entry = 1 AND phone_number = ''",
        "SELECT sender_id FROM inbox WHERE sender_id >= 1 AND signed_by =
             x'0000000000000000000000000000000000000000000000000000000000000000' LIMIT 1",
    ] {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.query_map((), |row| row.get::<_, String>(3)).unwrap();
        for step in steps.map(Result::unwrap) {
            let is_index_only = step.starts_with("SCAN timeline USING INDEX timeline_expiring")
                || step.starts_with("SCAN timeline USING COVERING INDEX timeline_expiring");
            let reads_all = step.starts_with("SCAN") && !is_index_only;
            assert!(!reads_all && !step.contains("TEMP B-TREE"), "{sql}: {step}");
        }
    }
}

/// Prints how long a page and a search take among a million entries, and what an index without the
/// beginnings of words would take.
#[test]
#[ignore = "takes minutes"]
fn million_entries() {
    let mut bed = Bed::new();
    let conversation = bed.hear(2, 1, "hello").0;
    bed.hear(3, 1, "hello");
    let connection = &bed.store().writer.connection;
    connection
        .execute_batch(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 1000000)
             INSERT INTO timeline (conversation, author, event_id, sent_at, kind, text)
             SELECT 1 + n % 2, CAST(format('%032d', 1) AS BLOB),
                    CAST(format('%016d', n) AS BLOB), n, 0,
                    format('the quick brown fox number %d jumps over %d lazy dogs', n, n % 1000)
             FROM numbers",
        )
        .unwrap();
    bed.reopen();
    let timed = |what: &str, run: &mut dyn FnMut() -> usize| {
        let begin = std::time::Instant::now();
        let found = run();
        println!("{what}: {found} entries in {:?}", begin.elapsed());
    };
    let store = bed.store();
    timed("latest page", &mut || store.entries_before(conversation, None, 50).unwrap().len());
    timed("page in the middle", &mut || {
        let middle = crate::client::conversations::EntryId(500_000);
        store.entries_before(conversation, Some(middle), 50).unwrap().len()
    });
    timed("list", &mut || store.conversations(50).unwrap().len());
    timed("rare word", &mut || store.search("424242", None, None, 50).unwrap().len());
    timed("common word", &mut || store.search("fox", None, None, 50).unwrap().len());
    timed("common word, finished", &mut || store.search("fox ", None, None, 50).unwrap().len());
    timed("two words, one conversation", &mut || {
        store.search("fox 77", Some(conversation), None, 50).unwrap().len()
    });
    for beginning in BEGINNINGS {
        timed(beginning, &mut || store.search(beginning, None, None, 50).unwrap().len());
    }
    let connection = &bed.store().writer.connection;
    let without = "CREATE VIRTUAL TABLE words USING fts5 (
                       text, tag, content = 'timeline', content_rowid = 'entry',
                       tokenize = 'unicode61 remove_diacritics 2'
                   );
                   INSERT INTO words (words) VALUES ('rebuild')";
    connection.execute_batch(without).unwrap();
    for beginning in BEGINNINGS {
        let sql = "SELECT count(*) FROM (SELECT rowid FROM words WHERE words MATCH ?1
                                         ORDER BY rowid DESC LIMIT 50)";
        let query = format!("text : (\"{beginning}\"*)");
        timed(&format!("{beginning} without"), &mut || {
            let found: u32 = connection.query_row(sql, [&query], |row| row.get(0)).unwrap();
            found as usize
        });
    }
    for index in ["search", "words"] {
        let sql = format!("SELECT sum(length(block)) >> 20 FROM {index}_data");
        let size: i64 = connection.query_row(&sql, (), |row| row.get(0)).unwrap();
        println!("{index}: {size} MiB");
    }
}

/// Beginnings of words that every entry has.
const BEGINNINGS: [&str; 5] = ["f", "fo", "fox", "quic", "numbe"];
