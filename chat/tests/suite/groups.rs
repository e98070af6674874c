//! Groups: inputs, and exactly what is then asked for and done.

use sealpost_chat::{Effect, Focus, Message, Request};
use sealpost_messenger::api::{ConversationParams, GroupParams, Peer};

use crate::support::{deeds, person, stage, text};

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
    assert!(screen.contains("invites you. No message of the group is shown"), "{screen}");
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
    assert!(screen.contains("Name a successor first: Up/Down selects, s names"), "{screen}");
    assert!(screen.contains("o makes owner"), "{screen}");
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
fn group_is_blocked_by_whoever_may_leave_it() {
    let mut stage = stage(80, 24);
    stage.press("M-a M-v s Esc M-x");
    assert!(text(&stage.picture()).contains("Name a successor first"));
    stage.press("M-v s Esc M-x");
    assert!(text(&stage.picture()).contains("You leave Family, and further invitations"));
    stage.press("y");
    let screen = text(&stage.picture());
    assert!(screen.contains("# Family  you have left, blocked: M-x unblocks"), "{screen}");
}
