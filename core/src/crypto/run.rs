//! The runner of jobs.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::generator::Generator;
use super::sealed::{append_sealed, open_sealed};
use super::{
    Draft, EmitError, FreshSession, Grant, Job, OpenedMessage, OpenedRequest, Outcome, Part,
    PrivateKey, Provider, RequestKind, SESSION_LABEL, envelope,
};
use crate::keys::{Plaintext, PublicKey, Rejected, SymmetricKey, scrub_stack};
use crate::wire::{Malformed, Oversized, Packet, SIGNATURE_LEN, SessionGrant};

/// Runs jobs with a provider, a private key and a source of randomness. Each thread has its own;
/// [`fork`](Crypto::fork) makes another one that shares the key.
pub struct Crypto {
    provider: Arc<dyn Provider>,
    private_key: Arc<dyn PrivateKey>,
    wrapping_key: SymmetricKey,
    rng: Box<dyn Generator>,
}

impl Crypto {
    /// Makes a runner that signs and opens with `private_key`. `wrapping_key` protects the session
    /// keys that a server stores; a client never uses it.
    pub fn new(
        provider: Arc<dyn Provider>,
        private_key: Arc<dyn PrivateKey>,
        wrapping_key: SymmetricKey,
        rng: Box<dyn Generator>,
    ) -> Self {
        Self { provider, private_key, wrapping_key, rng }
    }

    /// Makes a runner for another thread: the same keys, and a fork of the generator.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self {
            provider: Arc::clone(&self.provider),
            private_key: Arc::clone(&self.private_key),
            wrapping_key: self.wrapping_key.clone(),
            rng: self.rng.fork(),
        }
    }

    /// Public half of the private key.
    pub fn public_key(&self) -> &PublicKey {
        self.private_key.public_key()
    }

    /// Runs one job.
    pub fn run(&mut self, job: Job) -> Outcome {
        let outcome = match job {
            // The most frequent job, and the only one without secrets.
            Job::Verify { packet, signer } => {
                return Outcome::Verified(self.verify(&packet, &signer));
            }
            Job::OpenSealed { packet, signer, key, at } => {
                Outcome::Opened(self.open_sealed(&packet, &signer, &key, at))
            }
            Job::OpenRequest { packet, signer, kind } => {
                Outcome::RequestOpened(self.open_request(&packet, signer.as_ref(), kind))
            }
            Job::OpenGrant { packet, signer } => {
                Outcome::GrantOpened(self.open_grant(&packet, &signer))
            }
            Job::OpenMessage { packet, signer } => {
                Outcome::MessageOpened(self.open_message(&packet, &signer))
            }
            Job::Emit(draft) => Outcome::Emitted(self.emit(&draft)),
        };
        scrub_stack();
        outcome
    }

    fn verify(&self, packet: &Packet, signer: &PublicKey) -> Result<(), Rejected> {
        self.provider.verify(signer, packet.signed(), packet.signature())
    }

    fn open_sealed(
        &self,
        packet: &Packet,
        signer: &PublicKey,
        key: &SymmetricKey,
        at: usize,
    ) -> Result<Plaintext, Rejected> {
        self.verify(packet, signer)?;
        open_sealed(&*self.provider, key, packet.payload().get(at..).ok_or(Rejected)?)
    }

    fn open_request(
        &mut self,
        packet: &Packet,
        signer: Option<&PublicKey>,
        kind: RequestKind,
    ) -> Result<OpenedRequest, Rejected> {
        if let Some(signer) = signer {
            self.verify(packet, signer)?;
        }
        let (wrapped, _) = packet.payload().split_first_chunk::<OAEP_LEN>().ok_or(Rejected)?;
        let plaintext =
            self.private_key.oaep_open(&mut *self.rng, kind.label().as_bytes(), wrapped)?;
        let session = kind.leads_to_session().then(|| {
            let key = SymmetricKey::random(&mut *self.rng);
            FreshSession { wrapped: key.wrap(&self.wrapping_key), key }
        });
        Ok(OpenedRequest { plaintext, session })
    }

    fn open_grant(&mut self, packet: &Packet, signer: &PublicKey) -> Result<Grant, Rejected> {
        self.verify(packet, signer)?;
        let (wrapped, sealed) = packet.payload().split_first_chunk::<OAEP_LEN>().ok_or(Rejected)?;
        let grant =
            self.private_key.oaep_open(&mut *self.rng, SESSION_LABEL.as_bytes(), wrapped)?;
        let SessionGrant { session_key, request_hash } = SessionGrant::parse(grant.expose())?;
        let sealed = match sealed {
            [] => None,
            sealed => Some(open_sealed(&*self.provider, &session_key, sealed)?),
        };
        Ok(Grant { session_key, request_hash: request_hash.0, sealed })
    }

    fn open_message(
        &mut self,
        packet: &Packet,
        signer: &PublicKey,
    ) -> Result<OpenedMessage, Rejected> {
        self.verify(packet, signer)?;
        let (provider, recipient) = (&*self.provider, &*self.private_key);
        Ok(envelope::open(packet.payload(), provider, &mut *self.rng, signer, recipient))
    }

    fn emit(&mut self, draft: &Draft) -> Result<Packet, EmitError> {
        let mut payload = Vec::new();
        for part in &draft.parts {
            self.append(&mut payload, part)?;
        }
        Packet::build(draft.profile, draft.header, &payload, |signed| {
            if draft.signed {
                self.private_key.sign(&mut *self.rng, signed)
            } else {
                Ok([0; SIGNATURE_LEN])
            }
        })
    }

    fn append(&mut self, payload: &mut Vec<u8>, part: &Part) -> Result<(), EmitError> {
        let (provider, rng) = (&*self.provider, &mut *self.rng);
        match part {
            Part::Clear(bytes) => payload.extend_from_slice(bytes),
            Part::Sealed { key, plaintext } => {
                append_sealed(payload, provider, rng, key, plaintext)?;
            }
            Part::Oaep { to, label, plaintext } => {
                let wrapped = provider.oaep_seal(rng, to, label.as_bytes(), plaintext.expose())?;
                payload.extend_from_slice(&wrapped);
            }
            Part::Envelope { to, inner } => {
                let from = self.private_key.public_key();
                envelope::append(payload, provider, rng, from, to, inner)?;
            }
        }
        Ok(())
    }
}

impl From<Malformed> for Rejected {
    fn from(_: Malformed) -> Self {
        Self
    }
}

impl From<Oversized> for EmitError {
    fn from(_: Oversized) -> Self {
        Self
    }
}

/// Length in bytes of an OAEP part.
const OAEP_LEN: usize = 256;
