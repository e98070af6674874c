//! Keys of a selected message: exactly what is then asked for and done.

use sealpost_chat::{Effect, Keeping, Request, Stage};
use sealpost_messenger::api::{Entry, EntryParams, Progress, ReactionParams};

use crate::support::{deeds, entry, stage, tell, text};

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
fn message_is_given_up_as_long_as_it_waits() {
    let mut stage = stage(80, 24);
    stage.type_text("too early");
    stage.press("Enter M-Up");
    deeds(&mut stage);
    stage.press("x");
    assert!(matches!(deeds(&mut stage)[..], [Request::GiveUp(_)]));
    let screen = text(&stage.picture());
    assert!(screen.contains("Given up"), "{screen}");
    // The one before was delivered long ago.
    stage.press("e");
    assert!(text(&stage.picture()).contains("x gives it up"), "nobody can see it change");
    stage.press("Esc M-Up Up x");
    assert_eq!(deeds(&mut stage), []);
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
fn incognito_accepts_a_file_only_where_there_is_a_folder() {
    for (keeping, accepts) in
        [(Keeping::Nothing, false), (Keeping::FilesOnly, true), (Keeping::Everything, true)]
    {
        let mut stage = stage(80, 24).keeping(keeping);
        stage.press("C-t m u m Enter");
        deeds(&mut stage);
        let screen = text(&stage.picture());
        assert_eq!(screen.contains("y accepts"), accepts, "{screen}");
        assert_eq!(screen.contains("--files DIR"), !accepts, "{screen}");
        stage.press("M-Up");
        assert_eq!(text(&stage.picture()).contains("y accept ·"), accepts);
        stage.press("y");
        let is_accepted = matches!(deeds(&mut stage)[..], [Request::AcceptFile(_)]);
        assert_eq!(is_accepted, accepts);
        let says_how = text(&stage.picture()).contains("sealpost chat --incognito --files DIR");
        assert_eq!(says_how, !accepts);
    }
}

#[test]
fn where_a_file_is_can_be_read_on_a_small_terminal() {
    let mut stage = stage(40, 20);
    stage.press("C-t m u m Enter M-Up y Esc");
    stage.wait(2);
    let screen = text(&stage.picture());
    assert!(screen.contains("┆ ████░░░░░░ 46 %"), "{screen}");
    stage.wait(3);
    let screen = text(&stage.picture());
    let words: String = screen.lines().filter_map(|row| row.trim().strip_prefix('┆')).collect();
    assert!(words.replace(' ', "").contains("~/.sealpost/files/peartart.pdf"), "{screen}");
}

#[test]
fn failed_message_is_said_to_have_failed_with_the_key_that_sends_it_again() {
    let mut stage = stage(80, 24);
    stage.press("C-t 1 0 1 0 5 Enter");
    let progress = Some(Progress::Failed { reason: "nobody has this number".to_owned() });
    tell(&mut stage, Entry { from: None, received_at: None, progress, ..entry("hello?") });
    deeds(&mut stage);
    stage.press("M-Up");
    for key in ["e", "+", "r"] {
        stage.press(key);
        let screen = text(&stage.picture());
        assert!(
            screen.contains("This has failed, and nobody has it: R sends it again"),
            "{key}: {screen}"
        );
        assert_eq!(deeds(&mut stage), [], "{key}");
    }
    // The demo does not know the entry, and refuses to delete it.
    stage.press("d y");
    assert!(matches!(deeds(&mut stage)[..], [Request::Delete(_)]));
    assert!(text(&stage.picture()).contains("R sends it again"));
    stage.press("R");
    assert!(matches!(deeds(&mut stage)[..], [Request::Retry(_)]));
}
