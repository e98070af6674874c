//! Files on the disk: those that are received, and those that are sent.
//!
//! A received file is what a stranger made, under a name that a stranger chose. It gets a [`SafeName`]
//! in one folder, never the name of another file, and is not executable.
//!
//! | file | content |
//! |---|---|
//! | `desk` | carries out what the machine of transfers asks of the disk |
//! | `safe_name` | names that are harmless on any system |
//! | `folder` | received files, whole and partial |
//! | `media_type` | what kind of file a name promises |
//! | `source` | files that are sent, and whether they have changed |

mod desk;
mod folder;
mod media_type;
mod safe_name;
mod source;

pub use desk::{Desk, Effect, Origin};
pub use folder::{Finished, Folder, Partial};
pub use media_type::media_type;
pub use safe_name::SafeName;
pub use source::{Source, SourceError, Stamp};
