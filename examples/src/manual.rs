//! Completions and manual pages, made from the definition of a program's command line.

use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;

use crate::Failure;

/// Commands that describe the command line itself. They touch nothing else.
#[derive(Clone, Debug, Subcommand)]
pub enum Manual {
    /// Print the completions of a shell, for its folder of completions
    Completions {
        /// Shell that reads them
        shell: Shell,
    },
    /// Write the manual pages, one for each command, into a folder
    #[command(hide = true)]
    ManPages {
        /// Folder to write to; it is made if it does not exist
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

impl Manual {
    /// Carries out the command for the program whose command line is `A`.
    pub fn run<A: CommandFactory>(&self) -> Result<(), Failure> {
        match self {
            Self::Completions { shell } => print_completions(A::command(), *shell),
            Self::ManPages { folder } => write_pages(A::command(), folder),
        }
    }
}

fn print_completions(mut program: clap::Command, shell: Shell) -> Result<(), Failure> {
    let name = program.get_name().to_owned();
    // Into memory first: clap panics if it can't write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    let mut output = stdout().lock();
    output
        .write_all(&script)
        .and_then(|()| output.flush())
        .map_err(Failure::context("can't write to standard output"))
}

fn write_pages(program: clap::Command, folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(program, folder))
        .map_err(Failure::context(format_args!("can't write manual pages to {}", folder.display())))
}
