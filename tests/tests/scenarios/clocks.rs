//! What only the simulator can play: hosts have the clock of their machine.

use sealpost_core::client::Notice;

use sealpost_tests::sim::{Settings, World};

use crate::{ALICE, BOB, play_on};

#[test]
fn a_wrong_clock_is_no_hindrance() {
    let mut world = World::scripted(&Settings::default(), 0);
    world.jump(ALICE, -7_200);
    world.jump(BOB, 86_400);
    play_on(&mut world, |scene| {
        scene.register(&[ALICE, BOB]);
        scene.write(ALICE, BOB, "hello");
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &["hello"]);
        for device in [ALICE, BOB] {
            scene.cut(device);
            let back = |notice: &Notice| matches!(notice, Notice::Online { pending: Some(_) });
            scene.until("back", |scene| scene.diary(device).notices().iter().any(back));
        }
    });
}
