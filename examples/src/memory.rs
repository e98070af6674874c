//! Keeps what a process knows out of files and out of other processes' sight.

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::Failure;

/// Turns off core dumps. On Linux it also keeps other processes of the same user, debuggers among
/// them, from reading this process's memory; only root can. Must be called before the first secret is
/// read.
pub fn hide_memory() -> Result<(), Failure> {
    let failure = || Failure::context("can't turn off core dumps");
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(failure())?;
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failure())?;
    }
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn hidden_memory_is_in_no_core_dump_and_for_no_debugger() {
        hide_memory().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let core = getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    }
}
