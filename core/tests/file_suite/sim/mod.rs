//! Two devices that send each other files, with everything that may go wrong: processes that die
//! between any two actions, devices restored from backups, full disks, full outboxes, slow networks.
//!
//! `SEALPOST_FILE_SEEDS=50000 cargo test -p sealpost-core --test file_suite sim` runs more seeds than
//! by default, `SEALPOST_FILE_SEED=4711` one of them.

mod device;
mod world;

use world::World;

#[test]
fn files_arrive_whole_or_not_at_all_whatever_happens() {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().unwrap());
    let seeds = number("SEALPOST_FILE_SEED")
        .map_or_else(|| 0..number("SEALPOST_FILE_SEEDS").unwrap_or(150), |seed| seed..seed + 1);
    let mut total = world::Tally::default();
    for seed in seeds {
        let mut world = World::new(seed);
        let outcome = world.live();
        assert_eq!(outcome, Ok(()), "SEALPOST_FILE_SEED={seed}");
        total.add(&world.tally);
    }
    // What never happens is not tested.
    total.assert_everything_happened();
}

/// A stream of choices, the same for the same seed (splitmix64).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }
}
