//! Whole simulations.

use crate::sim::{CryptoKind, Dice, FaultFamily, Plan, run};

/// Runs the plan that the bytes generate ([`Plan::generate`]).
///
/// # Panics
/// If the simulation ends with a violation.
pub fn world(data: &[u8]) {
    let families: Vec<_> = FaultFamily::ALL.iter().map(|(family, _)| *family).collect();
    let plan = Plan::generate(&mut Dice::from_bytes(data), CryptoKind::Insecure, &families);
    let ran = run(&plan);
    assert_eq!(ran.violation, None, "{plan}");
}
