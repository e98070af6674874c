//! The command line of `sealpost`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand, ValueEnum};
use sealpost_chat::Zone;
use sealpost_core::address::{InvalidAddress, InvitationLink, ServerAddress};
use sealpost_core::ids::Phone;
use sealpost_core::wire::Invitation;
use sealpost_messenger::api::{InvalidPeer, PhoneNumber};
use sealpost_programs::{CryptoName, Failure, FormatArg, Manual, VERSION, Verify};

use crate::contacts::ContactsArgs;
use crate::doctor::DoctorArgs;
use crate::export::{ExportArgs, ImportArgs};
use crate::files_args::FilesArgs;
use crate::group_args::GroupArgs;
use crate::history::{HistoryArgs, SearchArgs};
use crate::listen::ListenArgs;
use crate::outbox::OutboxArgs;
use crate::passphrase::PassphraseArgs;
use crate::send_args::SendArgs;
use crate::verify::VerifyArgs;

/// A Sealpost client: sends and receives end-to-end encrypted messages.
///
/// The client keeps its key, contacts and messages in one folder, its home. The process that runs
/// first owns the home; other commands work through it.
///
/// The exit status is 0 only if everything that was requested was done; 3 if a message is kept, and
/// sent later; 4 if something was refused for good; 5 if another process uses the home and takes no
/// requests; 6 if the server, or that process, did not answer in time; 2 for a wrong command; 1 for
/// any other failure.
#[derive(Debug, Parser)]
#[command(name = "sealpost", version = VERSION, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[arg(long, global = true, value_name = "DIR", help = HOME_HELP)]
    pub(crate) home: Option<PathBuf>,

    /// File whose first line is the passphrase of the key, and that others can't read [default: ask,
    /// if the key has one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,

    #[arg(long, global = true, value_name = "COMMAND", help = COMMAND_HELP)]
    #[arg(conflicts_with = "passphrase_file")]
    pub(crate) passphrase_command: Option<String>,

    /// PEM file with the certificate authorities to trust when the server's address begins with
    /// sealposts://; register keeps it in the home, as ca.pem [default: the kept ones, or else those
    /// of the operating system]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Cryptography provider
    #[arg(long, global = true, value_enum, default_value_t = CryptoName::AwsLc)]
    pub(crate) crypto: CryptoName,

    /// How aws-lc verifies signatures that come together
    #[arg(long, global = true, value_enum, default_value_t = Verify::Auto)]
    pub(crate) verify: Verify,

    #[command(subcommand)]
    pub(crate) task: Task,
}

const INCOGNITO_HELP: &str = "Make a new account that is gone when the program ends: key, contacts and \
                              messages are in memory alone, and nothing is written to the disk. No \
                              other command can use it meanwhile";
const CHAT_EXAMPLES: &str = "Examples:
  sealpost chat
  sealpost chat --demo
  sealpost chat --theme light --pictures off
  sealpost chat --incognito --files /tmp/received";
const THEME_HELP: &str =
    "Colours [default: dark, or plain if the environment variable NO_COLOR is set]";
const COMMAND_HELP: &str = "Command of the shell whose first line of output is the passphrase of the \
                            key [default: $SEALPOST_PASSPHRASE_COMMAND]";
const HOME_HELP: &str =
    "Folder with key, contacts and messages [default: $SEALPOST_HOME, or else ~/.sealpost]";

const EXAMPLES: &str = "Examples:
  sealpost register sealposts://chat.example.org:7465/FINGERPRINT +4915112345678
  sealpost register --link-file - +4915112345678
  sealpost send +4915187654321 'See you at eight'
  sealpost send --file photo.jpg +4915187654321 'The view from up here'
  sealpost files accept 12
  sealpost listen
  sealpost verify +4915187654321 --mark
  sealpost group create Climbers +4915187654321 +4915155555555

The environment variable SEALPOST_LOG sets the log level on standard error: off, error (the
default), warn, info, debug or trace.";

/// Commands of the client.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Create a key and register an account, or register one that the server has lost again with the same
    /// key; asks for the one-time password
    Register(RegisterArgs),
    /// Send a message, and print how far it got, stored, delivered or queued, and its number in this
    /// home
    Send(SendArgs),
    /// List files, or accept, refuse or give up one
    Files(FilesArgs),
    /// Print messages as they arrive, until SIGINT or SIGTERM
    Listen(ListenArgs),
    /// Read and write messages on a screen of the terminal
    Chat(ChatArgs),
    /// Print what was sent and received, the oldest entry first
    History(HistoryArgs),
    /// Print entries of the history that contain words
    Search(SearchArgs),
    /// List messages that wait to be sent, and those that failed and why; send them again, or give
    /// them up
    Outbox(OutboxArgs),
    /// List contacts, people whose keys are known; name, block or mute one
    #[command(visible_alias = "contact")]
    Contacts(ContactsArgs),
    /// Groups: make one, invite people, join, leave
    Group(GroupArgs),
    /// Ask the server for a contact's key, and show the safety number, for both of you to compare on
    /// your own screens
    Verify(VerifyArgs),
    /// Show the address of the server, or replace it after the server has moved, or when there are more
    /// servers: the new one must have the same fingerprint. Works offline
    Address {
        /// New address of the same server
        #[arg(value_name = "ADDRESS")]
        new: Option<ServerAddress>,
        /// Trust the key in the new address although it is another one. Pass this only if you have
        /// the address from the server's operator: whoever has the key can pass for the server
        #[arg(long, requires = "new")]
        new_key: bool,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show the account, and how many messages wait to be sent
    Status {
        #[command(flatten)]
        zone: ZoneArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Write the home into one encrypted file: key, contacts, history, and everything else
    Export(ExportArgs),
    /// Make the home from a file that export has written
    Import(ImportArgs),
    /// Change the passphrase of the key, or take it away
    Passphrase(PassphraseArgs),
    /// Check the home, the clock and the server, and say what to do about what is wrong. If no process
    /// has the home, it goes online as the account, and a program elsewhere goes offline
    Doctor(DoctorArgs),
    /// Own the home and serve it to other commands and programs, until SIGINT or SIGTERM; prints
    /// ready once it does
    Daemon,
    /// Speak JSON-RPC 2.0 over standard input and output, one object a line
    Rpc {
        /// Print a description of every method for programs, that of docs/openrpc.json, and exit
        #[arg(long)]
        openrpc: bool,
    },
    /// Call one method of the interface, and print its result as JSON
    Call {
        /// Name of the method, for example listContacts
        method: String,
        /// Its parameters, a JSON object
        #[arg(value_name = "JSON")]
        params: Option<String>,
    },
    /// Write units with which systemd runs the daemon for this user, and say what to run next
    InstallService {
        /// Print the units instead of writing them
        #[arg(long)]
        print: bool,
    },
    #[command(flatten)]
    Manual(Manual),
}

/// Options of `register`.
#[derive(clap::Args, Debug)]
#[command(allow_missing_positional = true, after_help = REGISTER_EXAMPLES)]
pub(crate) struct RegisterArgs {
    /// Address of the server, sealposts://HOST:PORT/FINGERPRINT (or without the s of TLS, or with
    /// several HOST:PORT and commas between), or an invitation link, which ends in #CODE; its operator has both. Other users of this machine see
    /// the arguments of programs that run: pass a link with --link-file there
    #[arg(value_name = "ADDRESS|LINK", required_unless_present = "link_file")]
    pub(crate) server: Option<AddressOrLink>,
    /// File whose first line is the address or the link, and that others can't read; - reads it from
    /// standard input, and asks for it on a terminal
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub(crate) link_file: Option<PathBuf>,
    /// Your phone number, for example +4915112345678; spaces and dashes are ignored
    #[arg(value_name = "+PHONE", value_parser = phone_number)]
    pub(crate) phone: Phone,
    /// Ask for the one-time password that an earlier `register` requested, instead of requesting
    /// another one
    #[arg(long)]
    pub(crate) have_otp: bool,
    /// Ask for a passphrase twice, and encrypt the new key with it
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) passphrase: bool,
    /// How long to wait for the server, in seconds
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub(crate) timeout: u64,
}

const REGISTER_EXAMPLES: &str = "Examples:
  sealpost register sealposts://chat.example.org:7465/FINGERPRINT +4915112345678
  sealpost register --link-file invitation.txt +4915112345678
  sealpost register --link-file - +4915112345678";

/// The server to register with, and the invitation of the link, if it is one.
#[derive(Clone, Debug)]
pub(crate) struct AddressOrLink {
    pub(crate) address: ServerAddress,
    pub(crate) invitation: Option<Invitation>,
}

impl FromStr for AddressOrLink {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if !text.contains('#') {
            return Ok(Self { address: text.parse()?, invitation: None });
        }
        let InvitationLink { address, invitation } = text.parse()?;
        Ok(Self { address, invitation: Some(invitation) })
    }
}

/// Options of `chat`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = CHAT_EXAMPLES)]
pub(crate) struct ChatArgs {
    /// Show made-up people, without an account and without a network; nothing is kept
    #[arg(long)]
    pub(crate) demo: bool,
    #[arg(long, conflicts_with = "demo", help = INCOGNITO_HELP)]
    pub(crate) incognito: bool,
    /// With --incognito, keep files that you accept in this folder, where they stay
    #[arg(long, value_name = "DIR", requires = "incognito")]
    pub(crate) files: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) zone: ZoneArg,
    #[arg(long, value_enum, help = THEME_HELP)]
    pub(crate) theme: Option<ThemeName>,
    /// How pictures are shown
    #[arg(long, value_enum, default_value_t)]
    pub(crate) pictures: PicturesName,
    /// Leave the mouse to the terminal, which selects text with it
    #[arg(long)]
    pub(crate) no_mouse: bool,
}

/// The option that selects the time zone of times that people read.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct ZoneArg {
    /// Show times in UTC [default: local time]
    #[arg(long)]
    utc: bool,
}

impl ZoneArg {
    pub(crate) fn zone(self) -> Zone {
        if self.utc { Zone::UTC } else { Zone::system() }
    }
}

/// How `chat` shows pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PicturesName {
    /// By the terminal's own graphics if it is kitty or Ghostty, else as blocks
    #[default]
    Auto,
    /// In coarse blocks, on terminals with 256 colours or more
    Blocks,
    /// By the graphics protocol of kitty, without asking the terminal
    Kitty,
    /// Their names only; nothing is decoded
    Off,
}

/// Colours of `chat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ThemeName {
    /// For a dark background
    Dark,
    /// For a light background
    Light,
    /// No colours
    Plain,
}

/// A phone number, as people write it.
pub(crate) fn phone_number(text: &str) -> Result<Phone, InvalidPeer> {
    text.parse().map(|PhoneNumber(phone)| phone)
}

/// The home folder: the one of the command line, or else from the environment.
pub(crate) fn home_folder(passed: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    passed
        .or_else(|| set("SEALPOST_HOME").map(PathBuf::from))
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".sealpost")))
        .ok_or_else(|| Failure::usage("no home folder: pass --home, or set SEALPOST_HOME or HOME"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipient::Recipient;

    #[test]
    fn phone_numbers_are_taken_as_people_write_them() {
        let args = Args::try_parse_from(["sealpost", "send", "+49 (151) 1234-5678", "hi"]).unwrap();
        let Task::Send(SendArgs { to, .. }) = args.task else { panic!("not a send") };
        assert_eq!(to, Recipient::Person("+4915112345678".parse().unwrap()));
        assert!(Args::try_parse_from(["sealpost", "send", "+0151 1234", "hi"]).is_err());
    }
}
