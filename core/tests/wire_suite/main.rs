//! The wire layer from outside: streams, shapes of packets, payloads, and the independent vectors.

mod arb;
mod deframer;
mod packets;
mod payloads;
mod vectors;
