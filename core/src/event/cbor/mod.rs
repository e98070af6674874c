//! The part of CBOR that events use, over `minicbor`.
//!
//! | file | content |
//! |---|---|
//! | `profile` | the check that precedes every reading: deterministic, shallow, complete |
//! | `reader`, `writer` | single items, and values made of them |
//! | `field` | what a value of an event has to do, and the simplest values |
//! | `fields` | the fields of a map, by their numbers |
//! | `malformed` | the one error of all reading |

mod field;
mod fields;
mod malformed;
mod profile;
mod reader;
mod writer;

pub use malformed::NotAnEvent;

pub(super) use field::Field;
pub(super) use fields::{Fields, MapWriter};
pub(super) use profile::check_profile;
pub(super) use reader::Reader;
pub(super) use writer::Writer;
