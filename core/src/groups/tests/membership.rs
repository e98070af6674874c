//! Inviting, accepting, writing, removing, leaving.

use std::vec;

use super::bed::{Bed, key};
use crate::groups::{GroupCommand, Mine, Shown};

#[test]
fn who_is_removed_reads_nothing_more() {
    let mut bed = Bed::new(3);
    bed.create([1, 2]);
    bed.run();
    assert_eq!([1, 2].map(|user| bed.mine(user)), [Some(Mine::Invited); 2]);
    bed.command(1, GroupCommand::Accept);
    bed.command(2, GroupCommand::Accept);
    bed.run();
    assert_eq!([0, 1, 2].map(|user| bed.mine(user)), [Some(Mine::Joined); 3]);
    bed.assert_agreement(&[0, 1, 2]);

    bed.write(1, 10);
    bed.run();
    assert_eq!(bed.take_shown(), [(0, 10, Shown::Current), (2, 10, Shown::Current)]);

    bed.command(0, GroupCommand::Remove(key(2)));
    bed.run();
    assert_eq!(bed.mine(2), Some(Mine::Out));
    bed.write(1, 11);
    bed.write(0, 12);
    bed.write(2, 13);
    bed.run();
    assert_eq!(bed.take_shown(), [(0, 11, Shown::Current), (1, 12, Shown::Current)]);
    bed.assert_agreement(&[0, 1, 2]);
    assert_eq!(bed.take_refused(), vec![]);
}
