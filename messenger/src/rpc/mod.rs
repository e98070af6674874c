//! JSON-RPC 2.0, one object a line, over any stream.
//!
//! | file | what |
//! |---|---|
//! | `line` | lines of bounded length |
//! | `message` | requests, answers and notifications as lines |
//! | `serve` | answers the requests of one connection |
//! | `socket` | the socket in a home: listening on it, and connecting to it |
//! | `remote` | calls methods over a connection |

mod line;
mod message;
mod remote;
mod serve;
mod socket;

pub use remote::{Greeted, Remote};
pub use serve::{Output, serve};
pub use socket::{Listener, SocketFile, connect};
