//! The machines' invariants, checked after every input in test beds, simulations and fuzzing.

use sealpost_core::client::Client;
use sealpost_core::frame::Machine;
use sealpost_core::server::Server;

/// A machine that can check its own invariants.
pub trait Consistent {
    /// Returns the name of a broken invariant as the error.
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

impl Consistent for Server {}

impl Consistent for Client {
    fn check(&self) -> Result<(), &'static str> {
        self.is_consistent()
    }
}

/// Asserts that a machine's invariants hold.
#[track_caller]
pub fn assert_consistent(machine: &impl Consistent) {
    if let Err(broken) = machine.check() {
        panic!("inconsistent machine: {broken}");
    }
}
