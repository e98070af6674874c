//! Whole files between two desks, on a real disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::PathBuf;

use sealpost_core::event::{
    Caption, FileId, FileName, FileOffer, FilePiece, FileSize, MediaType, PieceLen,
};
use sealpost_core::files::{Command, Consent, End, EventName, Failure, Fate, limits};
use sealpost_core::keys::Fingerprint;

use super::*;

/// Two desks, and what is on its way between them.
struct Bed {
    home: tempfile::TempDir,
    desks: Vec<Desk>,
    /// What each store keeps.
    stores: [Store; 2],
    wire: [VecDeque<(TransferId, Outgoing)>; 2],
    told: [Vec<Told>; 2],
    saved: Vec<PathBuf>,
}

#[derive(Default)]
struct Store {
    records: BTreeMap<TransferId, Record>,
    sources: BTreeMap<TransferId, Origin>,
    sent: BTreeSet<(TransferId, EventName)>,
}

impl Bed {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut bed = Self {
            home,
            desks: Vec::new(),
            stores: [Store::default(), Store::default()],
            wire: [VecDeque::new(), VecDeque::new()],
            told: [Vec::new(), Vec::new()],
            saved: Vec::new(),
        };
        bed.desks = vec![bed.desk(0), bed.desk(1)];
        bed
    }

    fn desk(&self, user: usize) -> Desk {
        let folder = Folder::open(&self.home.path().join(format!("files-{user}"))).unwrap();
        let store = &self.stores[user];
        Desk::new(folder, store.records.clone(), store.sources.clone(), []).unwrap()
    }

    /// The process dies, and starts again.
    fn restart(&mut self, user: usize) {
        self.desks[user] = self.desk(user);
        let effects = self.desks[user].start();
        self.carry_out(user, effects);
    }

    /// User 0 offers a file to user 1.
    fn offer(&mut self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.home.path().join("original");
        fs::write(&path, content).unwrap();
        let source = Source::open(&path).unwrap();
        let offer = FileOffer {
            file: FileId([7; 16]),
            name: FileName::new(name).unwrap(),
            media_type: MediaType::new("application/octet-stream").unwrap(),
            size: FileSize::new(source.stamp().size).unwrap(),
            sha256: source.sha256().unwrap(),
            piece_len: PieceLen::new(limits::PIECE_BYTES).unwrap(),
            caption: Caption::default(),
        };
        let id = TransferId { direction: Direction::Outgoing, peer: key(1), file: offer.file };
        let origin = Origin { path: path.clone(), stamp: source.stamp() };
        self.stores[0].sources.insert(id, origin);
        self.desks[0].add_source(id, &path, source);
        self.give(0, Input::Command(Command::Send { to: key(1), offer }));
        path
    }

    fn give(&mut self, user: usize, input: Input) {
        let effects = self.desks[user].handle(input);
        self.carry_out(user, effects);
    }

    fn carry_out(&mut self, user: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Store(id, Some(record)) => {
                    self.stores[user].records.insert(id, *record);
                }
                Effect::Store(id, None) => {
                    self.stores[user].records.remove(&id);
                }
                Effect::Send(id, event) => self.wire[user].push_back((id, event)),
                Effect::Discard(id) => self.desks[user].discard(id).unwrap(),
                Effect::Saved(_, path) => self.saved.push(path),
                Effect::DiskFailed(_, error) => panic!("{error}"),
                Effect::Tell(_, told) => self.told[user].push(told),
            }
        }
    }

    /// Delivers the next event of a user; `false` if there is none.
    fn deliver(&mut self, user: usize) -> bool {
        let Some((id, event)) = self.wire[user].pop_front() else { return false };
        let from = key(u8::try_from(user).unwrap());
        let (name, input) = match event {
            Outgoing::Offer(offer) => {
                let consent = Consent::Given { room: u64::MAX };
                (Some(EventName::Offer), Input::Offer { from, offer: *offer, consent })
            }
            Outgoing::Piece(name, data) => {
                let piece = FilePiece { file: id.file, index: name.index.into(), data };
                (Some(EventName::Piece(name)), Input::Piece { from, piece })
            }
            Outgoing::Answer(answer) => (None, Input::Answer { from, file: id.file, answer }),
        };
        if name.is_none_or(|name| self.stores[user].sent.insert((id, name))) {
            self.give(1 - user, input);
        }
        if let Some(name) = name {
            self.give(user, Input::Sent { id, name, fate: Fate::Delivered });
        }
        true
    }

    /// Delivers everything, or as many events.
    fn run(&mut self, most: usize) -> bool {
        (0..most).all(|_| {
            let delivered = [self.deliver(0), self.deliver(1)];
            delivered.contains(&true)
        })
    }
}

#[test]
fn a_file_arrives_whole_while_both_sides_start_again() {
    let mut bed = Bed::new();
    let content: Vec<u8> =
        (0..5_000_000_u32).map(|at| u8::try_from(at / 7 % 251).unwrap()).collect();
    bed.offer("../seal.png", &content);
    for turn in 0..1_000 {
        if !bed.run(11) {
            break;
        }
        bed.restart(turn % 2);
    }
    let ended = Some(&Told::Ended(End::Complete));
    assert_eq!(bed.told.each_ref().map(|told| told.last()), [ended, ended]);
    let folder = bed.home.path().join("files-1");
    assert_eq!(bed.saved, [folder.join("seal.png")]);
    assert_eq!(fs::read(&bed.saved[0]).unwrap(), content);
    assert_eq!(fs::read_dir(folder.join(".partial")).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_changed_on_the_way_does_not_arrive() {
    let mut bed = Bed::new();
    let path = bed.offer("x", &vec![7; 5_000_000]);
    assert!(bed.run(20));
    fs::write(&path, vec![8; 5_000_001]).unwrap();
    assert!(!bed.run(1_000));
    assert_eq!(bed.told[0].last(), Some(&Told::Ended(End::Failed(Failure::Changed))));
    assert_eq!(bed.told[1].last(), Some(&Told::Ended(End::CancelledByPeer)));
    assert_eq!(bed.saved, [] as [PathBuf; 0]);
    assert_eq!(fs::read_dir(bed.home.path().join("files-1/.partial")).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_gone_is_not_sent() {
    let mut bed = Bed::new();
    let path = bed.offer("x", &vec![7; 500_000]);
    fs::remove_file(&path).unwrap();
    bed.restart(0);
    assert!(!bed.run(1_000));
    assert_eq!(bed.told[0].last(), Some(&Told::Ended(End::Failed(Failure::Unreadable))));
}

#[test]
fn a_file_with_a_lying_hash_is_not_saved() {
    let mut bed = Bed::new();
    bed.offer("x", &vec![7; 100_000]);
    if let Some((_, Outgoing::Offer(offer))) = bed.wire[0].front_mut() {
        offer.sha256 = [0; 32];
    }
    assert!(!bed.run(1_000));
    assert_eq!(bed.told[1].last(), Some(&Told::Ended(End::Failed(Failure::Mismatch))));
    assert_eq!(bed.told[0].last(), Some(&Told::Ended(End::CancelledByPeer)));
    assert_eq!(bed.saved, [] as [PathBuf; 0]);
}

const fn key(user: u8) -> Fingerprint {
    Fingerprint([user; 32])
}
