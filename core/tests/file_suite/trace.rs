//! A file of three pieces, from both sides.

use super::{answers, data, handle, id, key, offer, piece};
use sealpost_core::event::FileAnswer;
use sealpost_core::files::{
    Action, Command, Consent, Direction, End, EventName, Failure, Fate, Files, Finished, Input,
    Outgoing, Pause, PieceName, Read, Told, Written, limits,
};

#[test]
fn a_file_is_sent_piece_by_piece_once_it_is_accepted() {
    let (mut files, id) = (Files::new([], []), id(Direction::Outgoing));
    let send = Input::Command(Command::Send { to: key(1), offer: offer(3) });
    let offered = Action::Send(id, Outgoing::Offer(Box::new(offer(3))));
    assert_eq!(handle(&mut files, send), [offered]);

    let reads = |indexes: std::ops::Range<u32>| {
        indexes.map(move |index| Action::Read {
            id,
            name: PieceName { round: 0, index },
            offset: u64::from(index) * 10,
            len: if index == 2 { 3 } else { 10 },
        })
    };
    let accepted = answer(FileAnswer::Accepted { next: 0.into() });
    let mut expected = vec![Action::Tell(id, Told::Accepted)];
    expected.extend(reads(0..3));
    assert_eq!(handle(&mut files, accepted), expected);

    for (index, len) in [(0, 10), (1, 10), (2, 3)] {
        let name = PieceName { round: 0, index };
        let read = Input::Read { id, name, outcome: Read::Data(data(len)) };
        let sent = Action::Send(id, Outgoing::Piece(name, data(len)));
        assert_eq!(handle(&mut files, read), [sent]);
        for fate in [Fate::Stored, Fate::Delivered] {
            let sent = Input::Sent { id, name: EventName::Piece(name), fate };
            assert_eq!(handle(&mut files, sent), []);
        }
    }
    let told = Action::Tell(id, Told::Ended(End::Complete));
    assert_eq!(handle(&mut files, answer(FileAnswer::Received)), [told]);
}

#[test]
fn a_file_is_received_piece_by_piece_and_saved_once_it_was_checked() {
    let (mut files, id) = (Files::new([], []), id(Direction::Incoming));
    let offered = Input::Offer { from: key(1), offer: offer(3), consent: Consent::Ask };
    assert_eq!(handle(&mut files, offered), [Action::Tell(id, Told::Offered)]);
    assert_eq!(handle(&mut files, piece(0, 10)), [], "nothing was accepted");

    let accept = Input::Command(Command::Accept(id));
    let wanted = FileAnswer::Accepted { next: 0.into() };
    let asked = Action::Send(id, Outgoing::Answer(wanted));
    assert_eq!(handle(&mut files, accept), [Action::Tell(id, Told::Accepted), asked]);

    for (index, len) in [(0, 10), (1, 10), (2, 3)] {
        let offset = u64::from(index) * 10;
        let write = Action::Write { id, index, offset, data: data(len) };
        assert_eq!(handle(&mut files, piece(index, len)), [write]);
        assert_eq!(handle(&mut files, piece(index, len)), [], "it is being written");
        let mut expected = vec![Action::Tell(id, Told::Progress { done: index + 1 })];
        expected.extend((index == 2).then_some(Action::Finish(id)));
        assert_eq!(handle(&mut files, written(index)), expected);
        assert_eq!(handle(&mut files, piece(index, len)), [], "it was written");
    }
    let received = Action::Send(id, Outgoing::Answer(FileAnswer::Received));
    let told = Action::Tell(id, Told::Ended(End::Complete));
    let expected = [received, Action::Discard(id), told];
    assert_eq!(handle(&mut files, finished(Finished::Saved)), expected);
}

#[test]
fn a_file_with_another_hash_is_deleted() {
    let (mut files, id) = (receiving(3), id(Direction::Incoming));
    for (index, len) in [(0, 10), (1, 10), (2, 3)] {
        handle(&mut files, piece(index, len));
        handle(&mut files, written(index));
    }
    let cancelled = Action::Send(id, Outgoing::Answer(FileAnswer::Cancelled));
    let told = Action::Tell(id, Told::Ended(End::Failed(Failure::Mismatch)));
    let expected = [cancelled, Action::Discard(id), told];
    assert_eq!(handle(&mut files, finished(Finished::Mismatch)), expected);
}

#[test]
fn a_file_without_pieces_is_finished_at_once() {
    let (mut files, id) = (Files::new([], []), id(Direction::Incoming));
    let consent = Consent::Given { room: 0 };
    let offered = Input::Offer { from: key(1), offer: offer(0), consent };
    let told = [Told::Offered, Told::Accepted].map(|told| Action::Tell(id, told));
    let expected = [&told[..], &[Action::Finish(id)]].concat();
    assert_eq!(handle(&mut files, offered), expected);
}

#[test]
fn no_more_pieces_are_queued_for_one_peer_than_may_wait_before_a_text() {
    let mut files = sending(100);
    let id = id(Direction::Outgoing);
    for index in 0..4 {
        let name = PieceName { round: 0, index };
        handle(&mut files, Input::Read { id, name, outcome: Read::Data(data(10)) });
    }
    // The recipient's word frees nothing: pieces that the server has not taken are before a text.
    let confirmed = handle(&mut files, answer(FileAnswer::Progress { next: 4.into() }));
    assert_eq!(confirmed, [Action::Tell(id, Told::Progress { done: 4 })]);
    let name = PieceName { round: 0, index: 0 };
    let stored = Input::Sent { id, name: EventName::Piece(name), fate: Fate::Stored };
    assert_eq!(read_indexes(&handle(&mut files, stored)), [4]);
}

#[test]
fn the_window_moves_on_with_the_recipients_progress() {
    let mut files = sending(200);
    assert_eq!(send_all(&mut files, 0, 0), limits::WINDOW);
    let progress = answer(FileAnswer::Progress { next: 16.into() });
    let actions = handle(&mut files, progress);
    assert_eq!(read_indexes(&actions), [64, 65, 66, 67]);
    assert_eq!(send_all(&mut files, 0, 64), limits::WINDOW + 16);
}

#[test]
fn the_sender_goes_back_to_where_the_recipient_is() {
    let mut files = sending(200);
    send_all(&mut files, 0, 0);
    let actions = handle(&mut files, answer(FileAnswer::Accepted { next: 20.into() }));
    assert_eq!(read_indexes(&actions), [20, 21, 22, 23]);
    assert_eq!(send_all(&mut files, 1, 20), 20 + limits::WINDOW);
}

#[test]
fn progress_is_confirmed_by_the_quarter_of_the_window() {
    let mut files = receiving(40);
    for index in 0..32 {
        handle(&mut files, piece(index, 10));
        let actions = handle(&mut files, written(index));
        let next = (index + 1).into();
        let expected = (index % 16 == 15).then_some(FileAnswer::Progress { next });
        assert_eq!(answers(&actions), Vec::from_iter(expected));
    }
}

#[test]
fn pieces_that_were_lost_are_asked_for_once() {
    let mut files = receiving(200);
    handle(&mut files, piece(0, 10));
    handle(&mut files, written(0));
    let wanted = FileAnswer::Accepted { next: 1.into() };
    assert_eq!(answers(&handle(&mut files, piece(65, 10))), [wanted]);
    assert_eq!(handle(&mut files, piece(66, 10)), []);
}

#[test]
fn a_full_disk_pauses_and_the_sender_is_asked_to_repeat() {
    let (mut files, id) = (receiving(40), id(Direction::Incoming));
    handle(&mut files, piece(0, 10));
    let full = Input::Written { id, index: 0, outcome: Written::Failed };
    assert_eq!(handle(&mut files, full), [Action::Tell(id, Told::Paused(Pause::Disk))]);
    assert_eq!(handle(&mut files, piece(1, 10)), []);
    let wanted = FileAnswer::Accepted { next: 0.into() };
    assert_eq!(answers(&handle(&mut files, Input::Retry)), [wanted]);
    assert_eq!(handle(&mut files, Input::Retry), []);
    assert_eq!(handle(&mut files, piece(0, 10)).len(), 1);
}

#[test]
fn a_full_outbox_pauses() {
    let (mut files, id) = (sending(3), id(Direction::Outgoing));
    let name = PieceName { round: 0, index: 1 };
    let full = Input::Sent { id, name: EventName::Piece(name), fate: Fate::NoRoom };
    assert_eq!(handle(&mut files, full), [Action::Tell(id, Told::Paused(Pause::Outbox))]);
    assert_eq!(read_indexes(&handle(&mut files, Input::Retry)), [1], "2 is being read");
}

#[test]
fn a_file_that_was_changed_is_not_sent_on() {
    let (mut files, id) = (sending(3), id(Direction::Outgoing));
    let read = Input::Read { id, name: PieceName { round: 0, index: 0 }, outcome: Read::Changed };
    let cancelled = Action::Send(id, Outgoing::Answer(FileAnswer::Cancelled));
    let told = Action::Tell(id, Told::Ended(End::Failed(Failure::Changed)));
    assert_eq!(handle(&mut files, read), [cancelled, told]);
    let name = PieceName { round: 0, index: 1 };
    let read = Input::Read { id, name, outcome: Read::Data(data(10)) };
    assert_eq!(handle(&mut files, read), []);
}

#[test]
fn a_refusal_ends_the_transfer_on_both_sides() {
    let (mut files, outgoing) = (Files::new([], []), id(Direction::Outgoing));
    handle(&mut files, Input::Command(Command::Send { to: key(1), offer: offer(3) }));
    let told = Action::Tell(outgoing, Told::Ended(End::Refused));
    assert_eq!(handle(&mut files, answer(FileAnswer::Refused)), [told]);

    let (mut files, incoming) = (Files::new([], []), id(Direction::Incoming));
    let offered = Input::Offer { from: key(1), offer: offer(3), consent: Consent::Ask };
    handle(&mut files, offered);
    let refused = handle(&mut files, Input::Command(Command::Refuse(incoming)));
    let expected = [
        Action::Send(incoming, Outgoing::Answer(FileAnswer::Refused)),
        Action::Discard(incoming),
        Action::Tell(incoming, Told::Ended(End::Refused)),
    ];
    assert_eq!(refused, expected);
}

fn answer(answer: FileAnswer) -> Input {
    Input::Answer { from: key(1), file: super::FILE, answer }
}

fn written(index: u32) -> Input {
    Input::Written { id: id(Direction::Incoming), index, outcome: Written::Done }
}

fn finished(outcome: Finished) -> Input {
    Input::Finished { id: id(Direction::Incoming), outcome }
}

/// A machine that receives a file of so many pieces.
fn receiving(pieces: u64) -> Files {
    let mut files = Files::new([], []);
    let consent = Consent::Given { room: u64::MAX };
    handle(&mut files, Input::Offer { from: key(1), offer: offer(pieces), consent });
    files
}

/// A machine that sends a file of so many pieces. It has asked for the first four.
fn sending(pieces: u64) -> Files {
    let mut files = Files::new([], []);
    handle(&mut files, Input::Command(Command::Send { to: key(1), offer: offer(pieces) }));
    handle(&mut files, answer(FileAnswer::Accepted { next: 0.into() }));
    files
}

/// Sends pieces until no more are read; returns the first that is not.
fn send_all(files: &mut Files, round: u32, from: u32) -> u32 {
    let id = id(Direction::Outgoing);
    for index in from.. {
        let name = PieceName { round, index };
        let sent = handle(files, Input::Read { id, name, outcome: Read::Data(data(10)) });
        if sent.is_empty() {
            return index;
        }
        let name = EventName::Piece(name);
        handle(files, Input::Sent { id, name, fate: Fate::Stored });
    }
    unreachable!()
}

fn read_indexes(actions: &[Action]) -> Vec<u32> {
    let index = |action: &Action| match action {
        Action::Read { name, .. } => Some(name.index),
        Action::Store(..)
        | Action::Send(..)
        | Action::Write { .. }
        | Action::Finish(_)
        | Action::Discard(_)
        | Action::Tell(..) => None,
    };
    actions.iter().filter_map(index).collect()
}
