//! Keys, and the secrets that they protect: everything that the wire format names and that needs
//! no packet.
//!
//! | file | what |
//! |---|---|
//! | `secret` | symmetric keys, session keys at rest, plaintext |
//! | `public` | RSA public keys and their fingerprints |
//! | `fitness` | which moduli are refused |
//! | `pem` | keys as text |
//! | `rejected` | the one error of everything that is not authentic |
//! | `safety_number` | what two people compare |

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
pub use secret::{Plaintext, SymmetricKey, WrappedKey};
