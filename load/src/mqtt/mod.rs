//! Publishers and subscribers of an MQTT broker, with the load that users put on a Sealpost server.

pub(crate) mod pair;
mod wire;
