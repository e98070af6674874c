//! Signed states, and the proof that their signatures were verified.
//!
//! A signed state carries its writer's public key, whose hash is the fingerprint in the state. So
//! whoever gets it verifies it without having met the writer.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::codec::{self, Envelope};
use super::state::{InvalidState, State};
use super::{GroupId, StateHash, limits};
use crate::crypto::{Crypto, SignatureCheck};
use crate::keys::{PublicKey, Rejected};

/// A state whose signature was verified, or was made by this client. A clone is one pointer.
#[derive(Clone, Debug)]
pub struct SignedState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: State,
    hash: StateHash,
    bytes: Vec<u8>,
    key: PublicKey,
    signature: Vec<u8>,
}

impl SignedState {
    /// The state.
    pub fn state(&self) -> &State {
        &self.0.state
    }

    /// Hash of the state.
    pub fn hash(&self) -> StateHash {
        self.0.hash
    }

    /// Adds the signature that this client's user has just made.
    pub(super) fn written(state: State, key: PublicKey, signature: [u8; 256]) -> Self {
        Self::assemble(state, key, signature.to_vec())
    }

    fn assemble(state: State, key: PublicKey, signature: Vec<u8>) -> Self {
        let (bytes, hash) = (codec::encode_state(&state), state.hash());
        Self(Arc::new(Shared { state, hash, bytes, key, signature }))
    }
}

impl PartialEq for SignedState {
    fn eq(&self, other: &Self) -> bool {
        self.0.hash == other.0.hash
    }
}

impl Eq for SignedState {}

/// Consecutive states of one group, one to [`CHAIN`](super::limits::CHAIN) of them, whose
/// signatures were verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct States(Vec<SignedState>);

impl States {
    /// Parses what a peer has sent, and verifies every signature with `verify`.
    ///
    /// # Errors
    /// [`InvalidState`] for the first state that is not valid in itself, does not follow the one
    /// before it, or is not signed by its writer.
    pub fn verify(
        bytes: &[u8],
        mut verify: impl FnMut(SignatureCheck<'_>) -> Result<(), Rejected>,
    ) -> Result<Self, InvalidState> {
        let mut states: Vec<SignedState> = Vec::new();
        for Envelope { state, der, signature } in codec::decode_list(bytes)? {
            let state = codec::decode_state(state)?;
            let key = PublicKey::from_der(der).map_err(|_| InvalidState::Signature)?;
            if key.fingerprint() != state.writer() {
                return Err(InvalidState::Signature);
            }
            let message = state.signed_text();
            verify(SignatureCheck { key: &key, message: &message, signature })
                .map_err(|Rejected| InvalidState::Signature)?;
            if let Some(parent) = states.last() {
                state.follows(parent.state(), parent.hash())?;
            }
            states.push(SignedState::assemble(state, key, signature.to_vec()));
        }
        Ok(Self(states))
    }

    /// Wraps states of a chain, which has checked them. `None` if there are none.
    pub(super) fn of_chain(states: &[SignedState]) -> Option<Self> {
        (!states.is_empty()).then(|| Self(states.to_vec()))
    }

    /// All states of a chain, which has checked them.
    pub(super) fn whole(older: &[SignedState], newest: &SignedState) -> Self {
        Self(older.iter().chain([newest]).cloned().collect())
    }

    /// The states, in the order of their epochs.
    pub fn as_slice(&self) -> &[SignedState] {
        &self.0
    }

    /// Takes states that follow each other.
    ///
    /// # Errors
    /// [`InvalidState`] for the first one that does not follow the one before it, and if there are
    /// none or more than [`CHAIN`](super::limits::CHAIN).
    pub fn consecutive(states: Vec<SignedState>) -> Result<Self, InvalidState> {
        if !(1..=limits::CHAIN).contains(&states.len()) {
            return Err(InvalidState::Malformed);
        }
        for pair in states.windows(2) {
            if let [parent, next] = pair {
                next.state().follows(parent.state(), parent.hash())?;
            }
        }
        Ok(Self(states))
    }

    /// Group of the states.
    pub fn group(&self) -> Option<GroupId> {
        self.0.first().map(|first| first.state().parts().group)
    }

    /// Encodes the states for a peer, or for the store.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode_list(self.0.iter().map(|SignedState(shared)| Envelope {
            state: &shared.bytes,
            der: shared.key.der(),
            signature: &shared.signature,
        }))
    }
}

impl Crypto {
    /// Signs a state with the identity key, as [`Action::Sign`](super::Action::Sign) asks. `None` if
    /// the text is not that of a state, or could not be signed.
    pub fn sign_state(&mut self, text: &[u8]) -> Option<Box<[u8; 256]>> {
        let state = text.strip_prefix(DOMAIN.as_bytes())?;
        codec::decode_state(state).ok()?;
        self.sign(text).ok().map(Box::new)
    }
}

impl State {
    /// What the writer of the state signs.
    ///
    /// No packet begins like this: where a packet has the digits of its year, in either profile,
    /// this text has letters (PROTOCOL 3 and 5.5).
    pub fn signed_text(&self) -> Vec<u8> {
        [DOMAIN.as_bytes(), &codec::encode_state(self)].concat()
    }

    /// Encodes the state with the key and signature of its writer, as a list of one.
    pub fn encode_signed(&self, key: &PublicKey, signature: &[u8; 256]) -> Vec<u8> {
        let state = &codec::encode_state(self);
        codec::encode_list([Envelope { state, der: key.der(), signature }].into_iter())
    }

    /// Hash of the state: SHA-256 over what its writer signs.
    pub fn hash(&self) -> StateHash {
        StateHash(Sha256::digest(self.signed_text()).into())
    }
}

/// Begins every signed text of a state.
pub const DOMAIN: &str = "sealpost/1/group-state";
