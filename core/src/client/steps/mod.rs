//! What the client does: one verb a file. A step changes state and begins work; none imports
//! another, and what follows from all of them is in `settle`.
//!
//! | file | what |
//! |---|---|
//! | `connect`, `leave` | a connection begins, and ends |
//! | `learn_server`, `request`, `read_answer`, `register` | from a connection to an account |
//! | `begin_session` | from a grant to a session |
//! | `keep_time` | the server's clock |
//! | `receive` | bytes → packets, and what the server says in a session |
//! | `open_message`, `deliver`, `acknowledge` | a peer's message: verified, durable, signed for |
//! | `take_receipt` | a peer's receipt: verified, recorded |
//! | `check_token`, `send`, `draft`, `seal`, `transmit`, `give_up` | a message of ours, until it is acknowledged or fails |
//! | `readdress` | a message of ours for which somebody's user id has changed |
//! | `look_up`, `trust`, `recheck` | who has which key, and under which id |
//! | `record` | what the store is asked until it is done |
//! | `emit` | packets of ours are made and sent |
//! | `settle` | what follows from every input |
//! | `inspect` | whether everything fits together, for tests and debug builds |

mod acknowledge;
mod begin_session;
mod check_token;
mod connect;
mod deliver;
mod draft;
mod emit;
mod give_up;
mod inspect;
mod keep_time;
mod learn_server;
mod leave;
mod look_up;
mod open_message;
mod read_answer;
mod readdress;
mod receive;
mod recheck;
mod record;
mod register;
mod request;
mod seal;
mod send;
mod settle;
mod take_receipt;
mod transmit;
mod trust;
