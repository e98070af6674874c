//! Inputs, and exactly what is then asked for and done.

use ratatui::layout::Size;
use sealpost_chat::{Effect, Focus, Message, Request};
use sealpost_messenger::api::{
    ConversationParams, DraftParams, EditParams, Entry, MarkReadParams, Mute, Peer, PeerParams,
    SendFileParams, Time, TrustParams, WaitFor,
};

use crate::support::{deeds, entry, now, person, stage, tell, text};

fn is_mark_read(request: &Request) -> bool {
    matches!(request, Request::MarkRead(_))
}

#[test]
fn a_conversation_is_seen_only_while_the_user_looks_at_it() {
    let mut stage = stage(80, 24);
    assert!(deeds(&mut stage).iter().any(is_mark_read), "Anna's, which is opened first");
    stage.take(Message::Focused(Focus::Lost));
    stage.press("M-a");
    assert_eq!(deeds(&mut stage), []);
    stage.take(Message::Focused(Focus::Gained));
    let [Request::MarkRead(MarkReadParams { with: Peer::Group(_), .. })] = deeds(&mut stage)[..]
    else {
        panic!("the group was not marked as read");
    };
    stage.wait(3);
    assert_eq!(deeds(&mut stage), []);
}

#[test]
fn what_is_behind_a_list_or_below_the_screen_is_not_seen() {
    let mut stage = stage(40, 10);
    assert!(text(&stage.picture()).contains("↓"), "the last entries are below the screen");
    assert_eq!(deeds(&mut stage), [], "the first unread message is not all on the screen");
    stage.press("F1");
    stage.take(Message::Resized(Size::new(40, 40)));
    assert_eq!(deeds(&mut stage), [], "they are behind the help");
    stage.press("Esc");
    let [Request::MarkRead(_)] = deeds(&mut stage)[..] else { panic!("nothing was read") };
}

#[test]
fn draft_is_kept_after_a_pause_and_when_another_conversation_opens() {
    let mut stage = stage(80, 24);
    deeds(&mut stage);
    stage.type_text("half");
    assert_eq!(deeds(&mut stage), []);
    stage.wait(2);
    let draft = |with, text: &str| Request::SaveDraft(DraftParams { with, text: text.to_owned() });
    assert_eq!(deeds(&mut stage), [draft(person(101), "half")]);
    stage.type_text(" done");
    stage.press("C-t 1 0 5 Enter");
    assert_eq!(deeds(&mut stage), [draft(person(101), "half done")]);
    stage.press("C-t A n n a Enter");
    assert!(text(&stage.picture()).contains("> half done"));
    stage.press("C-a C-k");
    stage.press("C-q");
    assert_eq!(deeds(&mut stage), [draft(person(101), "")]);
    assert_eq!(stage.effects(), [Effect::Quit]);
}

#[test]
fn message_that_is_refused_is_put_back() {
    let mut stage = stage(80, 24);
    stage.press("C-t b e n Enter");
    stage.type_text("secret");
    stage.press("Enter");
    let screen = text(&stage.picture());
    assert!(screen.contains("> secret"), "{screen}");
    assert!(screen.contains("the key has changed: nothing is sent"), "{screen}");
}

#[test]
fn changed_key_is_accepted_only_by_its_letter_and_its_own_number() {
    let mut stage = stage(80, 24);
    stage.press("C-t b e n Enter M-v");
    deeds(&mut stage);
    stage.press("Enter Space y n");
    assert_eq!(deeds(&mut stage), []);
    stage.press("a");
    let deeds = deeds(&mut stage);
    let [Request::Trust(TrustParams { verified: false, safety_number, .. })] = &deeds[..] else {
        panic!("{deeds:?}");
    };
    assert_eq!(safety_number.split(' ').count(), 12);
    stage.press("M-v");
    let screen = text(&stage.picture());
    assert!(screen.contains(&safety_number[..23]), "the offered number is now the known one");
    assert!(!screen.contains("another key"), "{screen}");
}

#[test]
fn up_edits_the_last_own_message_and_escape_gives_it_up() {
    let mut stage = stage(80, 24);
    deeds(&mut stage);
    stage.press("Up Esc");
    assert!(text(&stage.picture()).contains("│>\n"));
    stage.press("Up");
    stage.type_text("!");
    stage.press("Enter");
    let deeds = deeds(&mut stage);
    let [Request::Edit(EditParams { message, .. })] = &deeds[..] else { panic!("{deeds:?}") };
    assert_eq!(message, "Yes! I'll bring the rope, and the good coffee.!");
}

#[test]
fn bell_rings_once_for_what_the_user_does_not_see() {
    let mut stage = stage(80, 24);
    stage.press("C-t 1 0 5 Enter");
    stage.wait(8);
    assert_eq!(stage.effects(), [Effect::Ring], "another conversation");
    stage.take(Message::Focused(Focus::Lost));
    stage.wait(12);
    let notice = Effect::Notify("Message from Mum".to_owned());
    assert_eq!(stage.effects(), [Effect::Ring, notice], "the text stays off the lock screen");
}

#[test]
fn muted_conversation_is_silent() {
    let mut stage = stage(80, 24);
    stage.press("M-a M-m Enter");
    let until = Time(now().0.plus_secs(3600));
    let mutes = |request: &Request| matches!(request, Request::Update(ConversationParams { mute: Some(Mute::Until(end)), .. }) if *end == until);
    assert!(deeds(&mut stage).iter().any(mutes));
    stage.press("C-t 1 0 5 Enter");
    stage.wait(8);
    assert_eq!(stage.effects(), []);
}

#[test]
fn two_interrupts_quit_and_one_does_not() {
    let mut stage = stage(80, 24);
    stage.press("C-c x C-c Left");
    assert_eq!(stage.effects(), []);
    stage.press("C-c C-c");
    assert_eq!(stage.effects(), [Effect::Quit]);
}

#[test]
fn editor_gets_what_is_written_and_gives_it_back() {
    let mut stage = stage(80, 24);
    stage.type_text("one");
    stage.press("C-x C-e");
    assert_eq!(stage.effects(), [Effect::OpenEditor("one".to_owned())]);
    stage.take(Message::Edited(Ok("one\ntwo\n".to_owned())));
    assert!(text(&stage.picture()).contains("> one\n"));
    stage.take(Message::Edited(Err("vi failed".to_owned())));
    let screen = text(&stage.picture());
    assert!(screen.contains("vi failed") && screen.contains("> one\n"), "{screen}");
}

#[test]
fn scrolling_up_shows_all_of_the_history_and_end_comes_back() {
    let mut stage = stage(80, 24);
    for _ in 0..10 {
        stage.press("PgUp");
    }
    let screen = text(&stage.picture());
    assert!(screen.contains("Day 1 of the walk"), "{screen}");
    stage.press("End");
    let screen = text(&stage.picture());
    assert!(screen.contains("deleted") && !screen.contains('↓'), "{screen}");
}

#[test]
fn view_follows_new_messages_below_the_mark_of_what_is_new() {
    let mut stage = stage(80, 24);
    stage.press("M-a");
    assert!(text(&stage.picture()).contains("─ new ─"));
    let with = "group:fafafafafafafafafafafafafafafafa".parse().unwrap();
    for number in 1..=12 {
        let written = format!("line {number}");
        tell(&mut stage, Entry { entry: 1_000 + number, conversation: with, ..entry(&written) });
        let screen = text(&stage.picture());
        assert!(screen.contains(&written) && !screen.contains('↓'), "{screen}");
    }
    stage.press("PgUp");
    tell(&mut stage, Entry { entry: 1_020, conversation: with, ..entry("not followed") });
    let screen = text(&stage.picture());
    assert!(!screen.contains("not followed") && screen.contains('↓'), "{screen}");
}

#[test]
fn phone_number_with_spaces_begins_a_conversation() {
    let mut stage = stage(80, 24);
    stage.press("C-t + 1 Space 5 5 5 - 0 1 9 - 9 9 9 1 Enter");
    assert!(text(&stage.picture()).contains("│ +15550199991"));
    stage.press("C-t + 1 5 5 5 0 1 9 9 9 9 0 Enter");
    assert!(text(&stage.picture()).contains("nobody is registered with +15550199990"));
}

#[test]
fn file_is_sent_with_what_is_written() {
    let mut stage = stage(80, 24);
    deeds(&mut stage);
    stage.type_text("look");
    stage.press("M-o");
    stage.press("Enter");
    assert_eq!(deeds(&mut stage), [], "no path, no file");
    stage.type_text("~/pictures/");
    stage.press("Enter");
    assert!(matches!(deeds(&mut stage)[..], [Request::SendFile(_)]));
    let screen = text(&stage.picture());
    assert!(screen.contains("Not sent: ~/pictures/ is a folder"), "{screen}");
    assert!(screen.contains("> ~/pictures/  "), "what was typed is still there: {screen}");
    stage.press("C-u");
    stage.type_text("'~/pictures/seal.png' ");
    stage.press("Enter");
    let params = SendFileParams {
        recipient: person(101),
        path: "~/pictures/seal.png".to_owned(),
        caption: "look".to_owned(),
        idempotency_key: None,
        wait_for: WaitFor::Queued,
        timeout_seconds: 30,
    };
    assert_eq!(deeds(&mut stage), [Request::SendFile(params)]);
    let screen = text(&stage.picture());
    assert!(screen.contains("seal.png  2.3 MB") && screen.contains("look"), "{screen}");
}

#[test]
fn help_lies_over_a_question_and_gives_it_back() {
    let mut stage = stage(40, 10);
    stage.press("M-o");
    stage.type_text("~/seal");
    stage.press("F1");
    for _ in 0..20 {
        stage.press("PgDn");
    }
    assert!(text(&stage.picture()).contains("the key has changed"), "the last row of the help");
    stage.press("Up Up");
    assert!(!text(&stage.picture()).contains("the key has changed"), "it stops at its end");
    stage.press("F1");
    assert!(text(&stage.picture()).contains("> ~/seal"));
    stage.press("F1 Esc");
    assert!(text(&stage.picture()).contains("> ~/seal"));
}

#[test]
fn hints_are_whole_and_end_with_the_key_of_the_help() {
    for keys in ["", "M-Up", "C-f h u t", "C-t", "M-a M-v Down", "M-o", "M-n", "M-g", "M-v"] {
        for width in [40, 60, 80, 120] {
            let mut stage = stage(width, 24);
            stage.press(keys);
            let screen = text(&stage.picture());
            let (rest, status) =
                screen.trim_end().rsplit_once('\n').unwrap().0.rsplit_once('\n').unwrap();
            assert!(status.ends_with("F1 help"), "{keys} {width}: {screen}");
            for hints in rest.lines().filter_map(|row| row.split_once("└─ ")?.1.split_once(" ─"))
            {
                assert!(
                    !hints.0.contains('…') && hints.0.ends_with("Esc"),
                    "{keys} {width}: {screen}"
                );
            }
        }
    }
}

#[test]
fn blocking_says_what_it_does_and_is_undone_by_the_same_key() {
    let mut stage = stage(120, 24);
    stage.press("C-t m u m Enter");
    deeds(&mut stage);
    stage.press("M-x Enter n M-x");
    let screen = text(&stage.picture());
    assert!(screen.contains("What Mum writes is dropped"), "{screen}");
    assert!(screen.contains("delivered, never as read"), "{screen}");
    assert_eq!(deeds(&mut stage), []);
    stage.press("y");
    let recipient = person(103);
    assert_eq!(deeds(&mut stage), [Request::Block(PeerParams { recipient })]);
    assert!(text(&stage.picture()).contains("blocked: M-x unblocks"));
    stage.wait(20);
    assert!(!text(&stage.picture()).contains("Call me when you have a moment"));
    stage.press("M-x");
    assert_eq!(deeds(&mut stage), [Request::Unblock(PeerParams { recipient })]);
    let screen = text(&stage.picture());
    assert!(screen.contains("Mum is not blocked any more.") && !screen.contains("blocked:"));
}
