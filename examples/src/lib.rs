//! Code that the Sealpost programs share: folders, logging, output, providers, and failures.
#![forbid(unsafe_code)]

mod arguments;
mod clock;
mod failure;
mod folder;
mod generator;
mod logging;
mod manual;
mod memory;
mod output;
mod providers;
mod qr_code;
mod sealed_file;
mod secret_line;

pub use arguments::{VERSION, run_program};
pub use clock::now;
pub use failure::{Failure, report};
pub use folder::{Folder, FolderLock};
pub use generator::SystemGenerator;
pub use logging::{LogControl, LogFormat, LogLevels, log_to_stderr, start_log};
pub use manual::Manual;
pub use memory::hide_memory;
pub use output::{Format, FormatArg, Line, tell, utc};
pub use providers::{CryptoName, Verify, entropy, random_rng, runner};
pub use qr_code::qr_code;
pub use sealed_file::{SealedReader, SealedWriter, UnsealError};
pub use sealpost_messenger::foreign_text::OneLine;
pub use secret_line::{SecretText, secret_line_of_file, secret_line_of_stdin};
