//! Wrong clocks. Only the simulator can run these: a host uses its machine's clock.

use sealpost_core::client::Notice;

use sealpost_tests::sim::{Settings, World};

use crate::{ALICE, BOB, run_on};

#[test]
fn a_wrong_clock_is_no_hindrance() {
    let mut world = World::scripted(&Settings::default(), 0);
    world.jump_wall_clock(ALICE, -7_200);
    world.jump_wall_clock(BOB, 80_000);
    run_on(&mut world, |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.send(ALICE, BOB, "hello");
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &["hello"]);
        for device in [ALICE, BOB] {
            scenario.cut(device);
            let back = |notice: &Notice| matches!(notice, Notice::Online { pending: Some(_), .. });
            scenario.until("back", |scenario| scenario.log(device).notices().iter().any(back));
        }
    });
}
