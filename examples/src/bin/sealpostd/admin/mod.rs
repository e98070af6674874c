//! Commands of the operator, on a server that runs or on the folder of one that does not.
//!
//! | file | what |
//! |---|---|
//! | `request` | requests and answers, as JSON |
//! | `tasks` | what each request does, in one function each |
//! | `place` | what a task works on: the running server, or the data folder |
//! | `socket` | takes requests from other processes while the server runs |
//! | `call` | the command line's side: asks the running server, or does the task itself |
//! | `commands` | the commands as an operator gives them, and what they print |
//! | `top`, `rates`, `terminal` | the live view |
//! | `figures` | the figures of `stats`, for programs and for people |
//!
//! A new command is a variant of `Request` and of `Answer`, and a function in `tasks`.

mod call;
mod commands;
mod figures;
mod place;
mod rates;
mod request;
mod socket;
mod tasks;
mod terminal;
mod top;

pub(crate) use commands::{
    ask_ready, change_key, change_log_level, change_user, create_invitation, reload,
    revoke_invitation, stats, stop,
};
pub(crate) use request::UserChange;
pub(crate) use socket::{AdminSocket, SocketFile};
pub(crate) use top::{Repeat, top};
