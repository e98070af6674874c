//! The message envelope, suite 1 (PROTOCOL 4).
