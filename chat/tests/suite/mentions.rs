//! People who are mentioned.

use ratatui::style::Modifier;
use sealpost_chat::{Effect, Focus, Message, Request, Stage};
use sealpost_messenger::api::{Body, Entry, Mention, SendParams};

use crate::support::{entry, rows, stage, tell, text};

const OWN: &str = "+15550100000";

fn mention(start: u32, length: u32, number: &str) -> Mention {
    Mention { start, length, number: Some(number.parse().unwrap()) }
}

/// The mentions of what is sent.
fn sent(stage: &mut Stage) -> Vec<Mention> {
    stage.press("Enter");
    let requests = stage.requests().into_iter();
    let sends = requests.filter_map(|request| {
        let Request::Send(SendParams { mentions, .. }) = request else { return None };
        Some(mentions)
    });
    sends.flatten().collect()
}

#[test]
fn people_of_a_group_are_mentioned_by_their_names() {
    let mut stage = stage(80, 24);
    stage.press("C-t F a m Enter");
    stage.type_text("ask @an");
    stage.press("Tab");
    stage.type_text("or @Mum, not mail@Mum or @Mumble");
    let screen = text(&stage.picture());
    assert!(screen.contains("> ask @Anna Lind or @Mum, not"), "{screen}");
    let asked = [mention(4, 10, "+15550100101"), mention(18, 4, "+15550100103")];
    assert_eq!(sent(&mut stage), asked);
}

#[test]
fn tab_completes_what_is_certain_and_names_the_others() {
    let mut stage = stage(80, 24);
    stage.press("C-t F a m Enter");
    stage.type_text("@");
    stage.press("Tab");
    let screen = text(&stage.picture());
    assert!(screen.contains("Anna Lind  Ben Okafor  Mum"), "{screen}");
    assert!(screen.contains("> @\n"), "{screen}");
    stage.type_text("x");
    stage.press("Tab");
    assert!(!text(&stage.picture()).contains("> @x"), "Tab went to the next conversation");
}

#[test]
fn a_mention_is_told_although_the_conversation_is_muted() {
    let mut stage = stage(80, 24);
    stage.press("C-t 1 0 5 Enter M-m Enter C-t A n n a Enter");
    stage.take(Message::Focused(Focus::Lost));
    tell(&mut stage, entry("to nobody"));
    assert_eq!(stage.effects(), []);
    let mentions = vec![mention(0, 4, OWN)];
    tell(&mut stage, Entry { entry: 1_001, mentions, ..entry("@Kai, look") });
    let notice = Effect::Notify("You were mentioned: 田中さん".to_owned());
    assert_eq!(stage.effects(), [Effect::Ring, notice]);
}

#[test]
fn unseen_mentions_are_marked_in_the_list_until_they_are_seen() {
    let mut stage = stage(80, 24);
    let has_mark = |stage: &Stage, name: &str| {
        let rows = rows(&stage.picture().buffer);
        rows.iter().any(|row| row.contains(name) && row.contains(" @ "))
    };
    assert!(has_mark(&stage, "# Family"), "it was there before the start");
    let mentions = vec![mention(0, 4, OWN)];
    tell(&mut stage, entry("no mention"));
    assert!(!has_mark(&stage, "田中さん"));
    // The demo lists what its people write, so here its list stays as it is.
    let of_mum = "+15550100103".parse().unwrap();
    let mum = Entry { conversation: of_mum, mentions, ..entry("@Kai, look") };
    stage.wait(20);
    assert!(!has_mark(&stage, "Mum"));
    tell(&mut stage, Entry { entry: 1_002, ..mum.clone() });
    assert!(has_mark(&stage, "Mum"));
    tell(&mut stage, Entry { entry: 1_002, body: Body::Deleted, mentions: Vec::new(), ..mum });
    assert!(!has_mark(&stage, "Mum"), "its author took it back");
    stage.press("M-a M-a");
    assert!(!has_mark(&stage, "# Family"), "it was seen");
}

#[test]
fn a_name_stands_out_and_nothing_that_is_none() {
    for (written, start, length, stands_out) in [
        ("look, @Kai!", 6, 4, "@Kai"),
        ("look, Kai!", 6, 3, ""),
        ("@", 0, 1, ""),
        ("@Kai", 2, u32::MAX, ""),
        ("@Kai", u32::MAX, u32::MAX, ""),
    ] {
        let mut stage = stage(80, 24);
        stage.press("C-t 1 0 1 0 5 Enter");
        let body = Body::Text { text: written.to_owned() };
        let mentions = vec![mention(start, length, OWN)];
        tell(&mut stage, Entry { body, mentions, ..entry("") });
        let buffer = stage.picture().buffer;
        let rows = rows(&buffer);
        let framed = format!("│ {written}");
        let (y, row) = rows.iter().enumerate().find(|(_, row)| row.contains(&framed)).unwrap();
        let first = row.split_once(&framed).unwrap().0.chars().count() + 2;
        let strong: String = written
            .chars()
            .enumerate()
            .filter(|(at, _)| {
                let cell = (u16::try_from(first + at).unwrap(), u16::try_from(y).unwrap());
                buffer[cell].modifier.contains(Modifier::BOLD)
            })
            .map(|(_, c)| c)
            .collect();
        assert_eq!(strong, stands_out, "{written}");
    }
}
