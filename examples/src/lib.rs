//! Code that the Sealpost programs share: folders, logging, output, providers, and failures.
#![forbid(unsafe_code)]

mod arguments;
mod failure;
mod folder;
mod foreign_text;
mod logging;
mod output;
mod providers;

pub use arguments::run_program;
pub use failure::{Failure, report};
pub use folder::{Folder, FolderLock};
pub use foreign_text::OneLine;
pub use logging::log_to_stderr;
pub use output::{Format, FormatArg, Line, tell, utc};
pub use providers::{CryptoName, random_rng, random_seed, runner};
