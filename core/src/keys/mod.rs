//! Keys, and the plaintexts that they protect. The wire format is built on this module and not the
//! other way round.
//!
//! | file | content |
//! |---|---|
//! | `secret` | symmetric keys, wrapped session keys, plaintext |
//! | `public` | RSA public keys and their fingerprints |
//! | `fitness` | test of a modulus for known weaknesses |
//! | `pem` | keys as text |
//! | `rejected` | the one error of everything that is not authentic |
//! | `safety_number` | the number that two people compare |

mod fitness;
mod pem;
mod public;
mod rejected;
mod safety_number;
mod secret;

pub use pem::{PemError, private_key_from_pem, private_key_to_encrypted_pem, private_key_to_pem};
pub use public::{Fingerprint, InvalidFingerprint, KeyRejected, PublicKey};
pub use rejected::Rejected;
pub use safety_number::safety_number;
pub(crate) use secret::Secret;
pub use secret::{Plaintext, SymmetricKey, WrappedKey, scrub_stack};
