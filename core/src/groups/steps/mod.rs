//! What a group does with each kind of input. One verb a file.

mod adopt;
mod command;
mod judge;
mod receive;
