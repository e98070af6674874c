//! Searching for words.

use super::bed::{Bed, of, person, said, text};
use crate::client::conversations::{Body, Change, EntryId, NewEntry};

fn found(bed: &mut Bed, words: &str) -> Vec<String> {
    bed.store().search(words, None, None, 9).unwrap().iter().map(text).collect()
}

#[test]
fn words_are_found_in_any_case_without_diacritics_and_unfinished() {
    let mut bed = Bed::new();
    bed.hear(2, 1, "Grüße aus Zürich");
    bed.hear(3, 1, "zurich is sunny");
    let file = NewEntry { body: Body::File("sunset.jpg".into()), ..said(2, "") };
    bed.apply(3, &Change::Append(file));
    bed.say(2, 9, "see you in Zürich");
    assert_eq!(
        found(&mut bed, "ZURICH"),
        ["see you in Zürich", "zurich is sunny", "Grüße aus Zürich"]
    );
    assert_eq!(found(&mut bed, "aus zür"), ["Grüße aus Zürich"]);
    assert_eq!(found(&mut bed, "zür aus"), Vec::<String>::new(), "only the last is unfinished");
    assert_eq!((found(&mut bed, "sun").len(), found(&mut bed, "sun ").len()), (2, 0));
    let conversation = bed.store().conversation(&person(3)).unwrap().unwrap().id;
    let in_one = bed.store().search("zurich", Some(conversation), None, 9).unwrap();
    assert_eq!(in_one.iter().map(text).collect::<Vec<_>>(), ["zurich is sunny"]);
    let before = bed.store().search("zurich", None, Some(EntryId(2)), 9).unwrap();
    assert_eq!(before.iter().map(text).collect::<Vec<_>>(), ["Grüße aus Zürich"]);
    assert_eq!(bed.store().search("zurich", None, None, 1).unwrap().len(), 1);
}

#[test]
fn no_character_has_a_meaning_of_its_own() {
    let mut bed = Bed::new();
    bed.hear(2, 1, "c1 said \"NOT now\" (2^3) foo-bar tag:c1");
    for words in
        ["\"", "*", "(", "NOT", "AND OR", "a:", "^", "tag : c9", "-now", "{text} :", "🎉", "'", ""]
    {
        bed.store().search(words, None, None, 9).unwrap();
    }
    for words in ["NOT now", "foo-bar", "(2^3)", "\"NOT", "tag:c1", "said ---", "foo-b"] {
        assert_eq!(found(&mut bed, words).len(), 1, "{words}");
    }
    assert_eq!(found(&mut bed, "now OR never"), Vec::<String>::new());
    assert_eq!(found(&mut bed, "---"), Vec::<String>::new());
    assert_eq!(found(&mut bed, &"word ".repeat(10_000)), Vec::<String>::new());
}

#[test]
fn what_is_edited_or_taken_back_is_not_found() {
    let mut bed = Bed::new();
    bed.hear(2, 1, "before");
    bed.apply(2, &Change::Edit { entry: of(2, 1), text: "after".into(), event: None });
    assert_eq!((found(&mut bed, "before").len(), found(&mut bed, "after").len()), (0, 1));
    bed.apply(2, &Change::Delete { entry: of(2, 1) });
    assert_eq!(found(&mut bed, "after").len(), 0);
    let check = "INSERT INTO search (search, rank) VALUES ('integrity-check', 1)";
    bed.store().writer.connection.execute_batch(check).unwrap();
}
