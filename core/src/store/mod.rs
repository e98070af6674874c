//! What the server machine asks of its store, and how it trusts the answer.
//!
//! Operations are intentions, never SQL. Each is idempotent: repeated after a crash or a lost
//! answer, it changes nothing more. The trait that carries them out is in `sealpost-storage`.

mod op;
mod pending;

pub use op::{
    Appended, CreateOutcome, ItemKey, ItemKind, Page, PageLimit, ResumeOutcome, Seq, Settlement,
    StoreError, StoreOp, StoreOutcome, StoreReply, StoredItem, User, UserRef,
};
pub(crate) use pending::{AppendRefusal, Fate};
pub use pending::{Durable, Pending};
