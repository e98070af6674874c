//! Peers who lie.

use super::{answers, data, handle, id, key, offer, piece, sized};
use sealpost_core::event::{FileAnswer, FileId, FilePiece};
use sealpost_core::files::{
    Action, Command, CommandRefusal, Consent, Direction, End, Failure, Files, Input, Outgoing,
    PieceName, Read, Told, limits,
};

#[test]
fn pieces_that_do_not_belong_to_the_file_end_the_transfer() {
    for (index, len) in [(0, 9), (1, 11), (2, 10), (3, 10), (3, 3), (u32::MAX, 10)] {
        let (mut files, id) = (receiving(3), id(Direction::Incoming));
        let expected = vec![
            Action::Send(id, Outgoing::Answer(FileAnswer::Cancelled)),
            Action::Discard(id),
            Action::Tell(id, Told::Ended(End::Failed(Failure::InvalidPiece))),
        ];
        assert_eq!(handle(&mut files, piece(index, len)), expected, "piece {index}, {len} bytes");
        assert_eq!(answers(&handle(&mut files, piece(0, 10))), [FileAnswer::Cancelled]);
        assert_eq!(handle(&mut files, piece(0, 10)), [], "it was told once");
    }
}

#[test]
fn a_piece_far_beyond_the_window_is_not_written() {
    let mut files = receiving(200);
    let wanted = FileAnswer::Accepted { next: 0.into() };
    // It was asked for when the offer was accepted.
    assert_eq!(handle(&mut files, piece(limits::WINDOW, 10)), []);
    assert_eq!(handle(&mut files, piece(limits::WINDOW - 1, 10)).len(), 1);
    assert_eq!(answers(&files.start()), [wanted]);
}

#[test]
fn files_that_are_too_large_or_have_too_many_pieces_are_refused() {
    let mut files = Files::new([], []);
    let most = limits::FILE_BYTES;
    for offer in [sized(most + 1, 60_000), sized(1 << 40, 60_000), sized(4_097, 1)] {
        let consent = Consent::Given { room: u64::MAX };
        let offered = Input::Offer { from: key(1), offer: offer.clone(), consent };
        assert_eq!(answers(&handle(&mut files, offered)), [FileAnswer::Refused]);
        assert_eq!(files.records().count(), 0);
        let send = Input::Command(Command::Send { to: key(1), offer });
        assert!(matches!(handle(&mut files, send)[..], [Action::Tell(_, Told::CommandRefused(_))]));
    }
    let consent = Consent::Given { room: most };
    let largest = Input::Offer { from: key(1), offer: sized(most, 60_000), consent };
    assert_eq!(answers(&handle(&mut files, largest)), [FileAnswer::Accepted { next: 0.into() }]);
}

#[test]
fn files_are_accepted_without_asking_only_as_long_as_there_is_room() {
    let mut files = Files::new([], []);
    let accepted = |files: &mut Files, number: u8, size: u64| {
        let mut offer = sized(size, 10);
        offer.file = FileId([number; 16]);
        let consent = Consent::Given { room: 100 };
        let actions = handle(files, Input::Offer { from: key(1), offer, consent });
        !answers(&actions).is_empty()
    };
    assert!(!accepted(&mut files, 1, 101));
    assert!(accepted(&mut files, 2, 60));
    assert!(!accepted(&mut files, 3, 41));
    assert!(accepted(&mut files, 4, 40));
}

#[test]
fn a_peer_has_a_bounded_number_of_open_offers_and_others_have_theirs() {
    let mut files = Files::new([], []);
    let mut offered = |user: u8, number: u8| {
        let mut offer = offer(3);
        offer.file = FileId([number; 16]);
        let offered = Input::Offer { from: key(user), offer, consent: Consent::Ask };
        answers(&handle(&mut files, offered)) != [FileAnswer::Refused]
    };
    assert!((0..8).all(|number| offered(1, number)));
    assert!(!offered(1, 8));
    assert!((2..9).all(|user| (0..8).all(|number| offered(user, number))));
    assert!(!offered(9, 0), "64 in all");
}

#[test]
fn files_for_whole_groups_are_offered_until_there_are_too_many() {
    let mut files = Files::new([], []);
    let mut offered = |user: u8, number: u8| {
        let mut offer = offer(3);
        offer.file = FileId([number; 16]);
        let actions = handle(&mut files, Input::Command(Command::Send { to: key(user), offer }));
        let refused = Told::CommandRefused(CommandRefusal::TooMany);
        !actions.iter().any(|action| matches!(action, Action::Tell(_, told) if *told == refused))
    };
    assert!((0..8).all(|number| (1..50).all(|user| offered(user, number))));
    assert!(!offered(1, 8), "8 to one peer");
    assert!((0..8).all(|number| (50..65).all(|user| offered(user, number))));
    assert!(!offered(65, 0), "512 in all");
}

#[test]
fn a_recipient_who_asks_again_and_again_is_given_up() {
    let mut files = Files::new([], []);
    let id = id(Direction::Outgoing);
    handle(&mut files, Input::Command(Command::Send { to: key(1), offer: offer(3) }));
    let mut sent = 0;
    for round in 0..2_000 {
        let accepted = FileAnswer::Accepted { next: 0.into() };
        let actions =
            handle(&mut files, Input::Answer { from: key(1), file: super::FILE, answer: accepted });
        if answers(&actions) == [FileAnswer::Cancelled] {
            let told = Action::Tell(id, Told::Ended(End::Failed(Failure::AskedTooOften)));
            assert!(actions.contains(&told));
            assert!(sent <= 3 * limits::RESENT_PER_PIECE + limits::RESENT + 3, "{sent} pieces");
            return;
        }
        for index in 0..3 {
            let name = PieceName { round, index };
            let len = if index == 2 { 3 } else { 10 };
            let read = Input::Read { id, name, outcome: Read::Data(data(len)) };
            sent += u32::try_from(handle(&mut files, read).len()).unwrap();
            let name = sealpost_core::files::EventName::Piece(name);
            handle(
                &mut files,
                Input::Sent { id, name, fate: sealpost_core::files::Fate::Delivered },
            );
        }
    }
    panic!("{sent} pieces were sent");
}

#[test]
fn a_recipient_who_asks_beyond_the_file_is_ignored() {
    let mut files = Files::new([], []);
    handle(&mut files, Input::Command(Command::Send { to: key(1), offer: offer(3) }));
    for answer in [FileAnswer::Accepted { next: 4.into() }, FileAnswer::Progress { next: 1.into() }]
    {
        let input = Input::Answer { from: key(1), file: super::FILE, answer };
        assert_eq!(handle(&mut files, input), []);
    }
}

#[test]
fn nobody_but_the_peer_moves_a_transfer() {
    let mut files = Files::new([], []);
    handle(&mut files, Input::Command(Command::Send { to: key(1), offer: offer(3) }));
    let record = files.record(id(Direction::Outgoing)).unwrap().clone();
    for answer in [
        FileAnswer::Accepted { next: 0.into() },
        FileAnswer::Received,
        FileAnswer::Refused,
        FileAnswer::Cancelled,
    ] {
        handle(&mut files, Input::Answer { from: key(2), file: super::FILE, answer });
    }
    assert_eq!(files.record(id(Direction::Outgoing)), Some(&record));

    let mut files = receiving(3);
    let stranger = FilePiece { file: super::FILE, index: 0.into(), data: data(10) };
    let actions = handle(&mut files, Input::Piece { from: key(2), piece: stranger });
    assert_eq!(answers(&actions), [FileAnswer::Cancelled]);
    assert_eq!(actions.len(), 1, "nothing is written");
}

#[test]
fn two_who_know_nothing_of_a_transfer_do_not_answer_each_other_for_ever() {
    let mut files = Files::new([], []);
    for answer in [FileAnswer::Received, FileAnswer::Refused, FileAnswer::Cancelled] {
        let input = Input::Answer { from: key(1), file: super::FILE, answer };
        assert_eq!(handle(&mut files, input), []);
    }
    let progress = FileAnswer::Progress { next: 1.into() };
    let input = || Input::Answer { from: key(1), file: super::FILE, answer: progress };
    assert_eq!(answers(&handle(&mut files, input())), [FileAnswer::Cancelled]);
    assert_eq!(handle(&mut files, input()), []);
}

#[test]
fn ended_transfers_are_forgotten_one_day() {
    let mut files = Files::new([], []);
    for number in 0..=u16::try_from(limits::ENDED).unwrap() {
        let mut offer = offer(3);
        offer.file.0[..2].copy_from_slice(&number.to_be_bytes());
        let id = sealpost_core::files::TransferId { file: offer.file, ..id(Direction::Outgoing) };
        handle(&mut files, Input::Command(Command::Send { to: key(1), offer }));
        handle(&mut files, Input::Command(Command::Cancel(id)));
    }
    assert_eq!(files.records().count(), limits::ENDED);
    assert!(files.records().all(|(id, _)| id.file.0[..2] != [0, 0]), "the oldest is gone");
}

fn receiving(pieces: u64) -> Files {
    let mut files = Files::new([], []);
    let consent = Consent::Given { room: u64::MAX };
    handle(&mut files, Input::Offer { from: key(1), offer: offer(pieces), consent });
    files
}
