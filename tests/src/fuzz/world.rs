//! Whole worlds.

use crate::sim::{CryptoKind, Dice, FaultFamily, Plan, run};

/// The bytes are the choices of which a plan is made ([`Plan::generate`]): the world that it
/// describes is as it must be.
///
/// # Panics
/// If something in that world is not.
pub fn world(data: &[u8]) {
    let families: Vec<_> = FaultFamily::ALL.iter().map(|(family, _)| *family).collect();
    let plan = Plan::generate(&mut Dice::from_bytes(data), CryptoKind::Insecure, &families);
    let ran = run(&plan);
    assert_eq!(ran.violation, None, "{plan}");
}
