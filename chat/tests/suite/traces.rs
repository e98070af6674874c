//! Inputs, and exactly what is then asked for and done.

use ratatui::layout::Size;
use sealpost_chat::{Effect, Focus, Message, Request, Stage};
use sealpost_messenger::api::{
    Changed, ConversationParams, DraftParams, EditParams, Entry, EntryParams, GroupParams,
    MarkReadParams, Mute, Notification, Peer, ReactionParams, SendFileParams, Time, TrustParams,
    WaitFor,
};

use crate::support::{entry, now, stage, text};

fn person(last: u64) -> Peer {
    format!("+1555010{last:04}").parse().unwrap()
}

/// What was asked for, without lists and pages.
fn deeds(stage: &mut Stage) -> Vec<Request> {
    let is_deed = |request: &Request| {
        !matches!(
            request,
            Request::Subscribe(_)
                | Request::Status(_)
                | Request::Conversations(_)
                | Request::Contacts(_)
                | Request::History(_)
                | Request::Unseen(_)
        )
    };
    stage.requests().into_iter().filter(is_deed).collect()
}

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
    stage.press("PgDn");
    stage.press("F1");
    let [Request::MarkRead(first)] = deeds(&mut stage)[..] else { panic!("nothing was read") };
    stage.take(Message::Resized(Size::new(40, 40)));
    assert_eq!(deeds(&mut stage), []);
    stage.press("Esc");
    let read = deeds(&mut stage);
    assert!(
        read.is_empty()
            || matches!(read[..], [Request::MarkRead(second)] if second.up_to > first.up_to),
        "{read:?}"
    );
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
fn invitation_is_a_question_and_only_its_letters_answer_it() {
    let mut stage = stage(80, 24);
    stage.wait(61);
    stage.press("C-t c h o i r Enter");
    let screen = text(&stage.picture());
    assert!(screen.contains("Join Choir? M-v"), "{screen}");
    stage.press("M-v");
    deeds(&mut stage);
    stage.press("Enter Space y a");
    assert_eq!(deeds(&mut stage), []);
    let screen = text(&stage.picture());
    assert!(screen.contains("invites you. Nothing of the group is shown"), "{screen}");
    stage.press("j");
    let asked = deeds(&mut stage);
    let [Request::Join(GroupParams { .. })] = &asked[..] else { panic!("{asked:?}") };
    stage.press("M-v");
    let screen = text(&stage.picture());
    assert!(!screen.contains("Join Choir?") && !screen.contains("d  Decline"), "{screen}");
    stage.press("j d");
    assert_eq!(deeds(&mut stage), [], "there is nothing to answer any more");
}

#[test]
fn invitation_counts_as_unread_and_rings() {
    let mut stage = stage(80, 24);
    stage.press("M-a");
    stage.wait(58);
    stage.press("C-t 1 0 5 Enter");
    stage.effects();
    stage.take(Message::Focused(Focus::Lost));
    stage.wait(3);
    let invited = Effect::Notify("Invitation to a group".to_owned());
    assert_eq!(stage.effects(), [Effect::Ring, invited]);
    let screen = text(&stage.picture());
    assert!(screen.contains("# Choir          1 │"), "{screen}");
    stage.press("M-a M-v d");
    assert!(matches!(deeds(&mut stage)[..], [.., Request::Decline(_)]));
    let screen = text(&stage.picture());
    assert!(screen.contains("You have declined"), "{screen}");
    stage.press("Esc");
    assert!(text(&stage.picture()).contains("# Choir            │"));
}

#[test]
fn group_is_made_with_those_who_are_marked() {
    let mut stage = stage(80, 24);
    stage.press("M-g Enter");
    assert!(text(&stage.picture()).contains("1 to 128 bytes"));
    stage.type_text("Climbers");
    stage.press("Enter");
    deeds(&mut stage);
    stage.press("b e n Tab + 1 5 5 5 0 1 9 9 9 9 1 Tab");
    let screen = text(&stage.picture());
    assert!(screen.contains("✔ Ben Okafor") && screen.contains("✔ +15550199991"), "{screen}");
    stage.press("Enter");
    let asked = deeds(&mut stage);
    let [Request::UpdateGroup(params)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(params.name.as_deref(), Some("Climbers"));
    let members: Vec<_> = params.members.iter().map(|phone| Peer::Person(*phone)).collect();
    assert_eq!(members, [person(102), "+15550199991".parse().unwrap()]);
    let screen = text(&stage.picture());
    assert!(screen.contains("│ # Climbers  1 member"), "{screen}");
    stage.wait(3);
    assert!(text(&stage.picture()).contains("3 members"));
}

#[test]
fn typed_number_is_invited_with_those_who_are_marked() {
    let mut stage = stage(80, 24);
    stage.press("M-g C l i m b e r s Enter b e n Tab");
    deeds(&mut stage);
    stage.type_text("+1 999");
    stage.press("Enter");
    assert_eq!(deeds(&mut stage), [], "not a whole number yet");
    assert!(text(&stage.picture()).contains("Nobody has this name"));
    stage.type_text(" 555 0199");
    let screen = text(&stage.picture());
    assert!(screen.contains("Enter invites 2"), "{screen}");
    stage.press("Enter");
    let asked = deeds(&mut stage);
    let [Request::UpdateGroup(params)] = &asked[..] else { panic!("{asked:?}") };
    let members: Vec<_> = params.members.iter().map(|phone| Peer::Person(*phone)).collect();
    assert_eq!(members, [person(102), "+19995550199".parse().unwrap()]);
}

#[test]
fn nobody_is_removed_by_accident() {
    let mut stage = stage(80, 24);
    stage.press("M-a M-v Down");
    deeds(&mut stage);
    stage.press("x Enter n");
    assert_eq!(deeds(&mut stage), []);
    assert!(text(&stage.picture()).contains("Group Family"), "the question gives way to the group");
    stage.press("x y");
    let asked = deeds(&mut stage);
    let [Request::UpdateGroup(params)] = &asked[..] else { panic!("{asked:?}") };
    let removed: Vec<_> = params.remove_members.iter().map(|phone| Peer::Person(*phone)).collect();
    assert_eq!(removed, [person(102)]);
    assert!(!text(&stage.picture()).contains("Ben Okafor  +"));
}

#[test]
fn roles_are_changed_by_the_owner() {
    let mut stage = stage(80, 24);
    stage.press("M-a M-v Down s");
    let asked = deeds(&mut stage);
    let Some(Request::UpdateGroup(params)) = asked.last() else { panic!("{asked:?}") };
    let named = params.successors.iter().flatten().map(|phone| Peer::Person(*phone));
    assert_eq!(named.collect::<Vec<_>>(), [person(101), person(102)]);
    assert!(text(&stage.picture()).contains("+15550100102, successor 2"));
    stage.press("Up s");
    assert!(text(&stage.picture()).contains("+15550100102, successor 1"));
    stage.press("Down Down Down x");
    let screen = text(&stage.picture());
    assert!(screen.contains("can't be done with the row"), "nobody removes themselves: {screen}");
    stage.press("Up Up o y");
    let screen = text(&stage.picture());
    assert!(screen.contains("+15550100102, owner"), "{screen}");
    assert!(!screen.contains("Invite people"), "only its owner does that: {screen}");
    stage.press("l y");
    let screen = text(&stage.picture());
    assert!(screen.contains("You are not a member") && screen.contains("Forget its"), "{screen}");
}

#[test]
fn owner_is_told_at_once_to_name_a_successor_before_leaving() {
    let mut stage = stage(80, 24);
    stage.press("M-a M-v s");
    deeds(&mut stage);
    stage.press("l y");
    assert_eq!(deeds(&mut stage), [], "nothing was asked, so nothing is confirmed");
    stage.press("l");
    let screen = text(&stage.picture());
    assert!(screen.contains("Up and Down select a member:"), "{screen}");
    assert!(screen.contains("name a successor before you leave. Up and Down select"), "{screen}");
    assert!(screen.contains("o makes them the owner"), "{screen}");
    stage.press("Down s l");
    let screen = text(&stage.picture());
    assert!(screen.contains("Ben Okafor owns the group then."), "{screen}");
    stage.press("y");
    assert!(matches!(deeds(&mut stage)[..], [Request::UpdateGroup(_), Request::Leave(_)]));
}

#[test]
fn group_gets_another_name_and_messages_disappear() {
    let mut stage = stage(80, 24);
    stage.press("M-a M-n");
    stage.type_text(" Okafor");
    stage.press("Enter Esc");
    assert!(text(&stage.picture()).contains("│ # Family Okafor"));
    deeds(&mut stage);
    stage.press("M-t Down Down Down Enter");
    let asked = deeds(&mut stage);
    let [Request::Update(ConversationParams { expiry_seconds: Some(3600), .. })] = asked[..] else {
        panic!("{asked:?}");
    };
    assert!(text(&stage.picture()).contains("disappears after 1 h"));
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
fn deleting_and_opening_links_asks_first() {
    let mut stage = stage(120, 40);
    stage.press("C-t 1 0 6 Enter M-Up o");
    assert!(text(&stage.picture()).contains("https://weather.example/oslo"));
    stage.press("Enter n o y");
    assert_eq!(stage.effects(), [Effect::OpenLink("https://weather.example/oslo".to_owned())]);
    stage.press("Esc C-t A n n a Enter");
    stage.type_text("oops");
    stage.press("Enter M-Up d Enter n");
    deeds(&mut stage);
    stage.press("d y");
    assert!(matches!(deeds(&mut stage)[..], [Request::Delete(_)]));
}

#[test]
fn others_messages_can_be_neither_edited_nor_deleted() {
    let mut stage = stage(80, 24);
    stage.press("C-t 1 0 6 Enter M-Up");
    deeds(&mut stage);
    stage.press("e d y");
    assert_eq!(deeds(&mut stage), []);
    assert!(!text(&stage.picture()).contains("Delete?"));
}

#[test]
fn digit_chooses_a_reaction_and_what_is_typed_next_is_a_message() {
    let mut stage = stage(80, 24);
    stage.press("M-Up Up");
    deeds(&mut stage);
    stage.press("+ 2");
    let deeds = deeds(&mut stage);
    let [Request::React(ReactionParams { emoji, .. })] = &deeds[..] else { panic!("{deeds:?}") };
    assert_eq!(emoji, "❤️");
    assert!(text(&stage.picture()).contains("└ ❤️"));
    stage.press("o k");
    assert!(text(&stage.picture()).contains("> ok"));
}

#[test]
fn reaction_is_chosen_in_the_list_and_taken_back_there() {
    let mut stage = stage(80, 24);
    let reacted = |stage: &mut Stage| {
        let deeds = deeds(stage).into_iter();
        let reactions = deeds.filter_map(|request| {
            let Request::React(ReactionParams { emoji, .. }) = request else { return None };
            Some(emoji)
        });
        reactions.collect::<Vec<_>>()
    };
    stage.press("M-Up Up + Down Down Enter");
    assert_eq!(reacted(&mut stage), ["😂"]);
    stage.press("M-Up Up +");
    let screen = text(&stage.picture());
    let now = screen.lines().find(|row| row.contains("3  😂  your reaction now"));
    assert!(now.is_some_and(|row| row.ends_with('<')), "it is chosen: {screen}");
    stage.type_text("🦭");
    assert!(!text(&stage.picture()).lines().nth(6).unwrap().ends_with('<'), "typed instead");
    stage.press("Enter");
    assert_eq!(reacted(&mut stage), ["🦭"]);
    stage.press("M-Up Up + Up");
    assert!(text(&stage.picture()).contains("9  take 🦭 back"));
    stage.press("9");
    assert_eq!(reacted(&mut stage), [""]);
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
        let entry = Entry { entry: 1_000 + number, conversation: with, ..entry(&written) };
        let changed = Changed::Entry { entry: Box::new(entry) };
        stage.take(Message::Notified(Notification::Changed(changed)));
        let screen = text(&stage.picture());
        assert!(screen.contains(&written) && !screen.contains('↓'), "{screen}");
    }
    stage.press("PgUp");
    let entry = Entry { entry: 1_020, conversation: with, ..entry("not followed") };
    let changed = Changed::Entry { entry: Box::new(entry) };
    stage.take(Message::Notified(Notification::Changed(changed)));
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
fn file_is_accepted_refused_or_given_up_by_its_letter() {
    for (keys, accepted) in [("y", true), ("n", false)] {
        let mut stage = stage(80, 24);
        stage.press("C-t m u m Enter M-Up");
        deeds(&mut stage);
        stage.press(keys);
        let deeds = deeds(&mut stage);
        let (([Request::AcceptFile(EntryParams { entry })], true)
        | ([Request::RefuseFile(EntryParams { entry })], false)) = (&deeds[..], accepted)
        else {
            panic!("{deeds:?}");
        };
        let entry = *entry;
        stage.wait(2);
        assert_eq!(text(&stage.picture()).contains("46 %"), accepted);
        stage.press("x");
        let expected = accepted.then_some(Request::CancelFile(EntryParams { entry }));
        assert_eq!(self::deeds(&mut stage), expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn file_is_sent_with_what_is_written() {
    let mut stage = stage(80, 24);
    deeds(&mut stage);
    stage.type_text("look");
    stage.press("M-o");
    stage.press("Enter");
    assert_eq!(deeds(&mut stage), [], "no path, no file");
    stage.press("M-o");
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
