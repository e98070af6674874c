//! The portable provider.
pub struct RustCrypto;
