//! The runner of jobs.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::generator::Generator;
use super::sealed::{append_sealed, open_sealed};
use super::{
    Draft, EmitError, FreshSession, Grant, Job, OpenedMessage, OpenedRequest, Outcome, OwnKey,
    Part, PrivateKey, Provider, RequestKind, SESSION_LABEL, SignatureCheck, envelope,
};
use crate::keys::{Plaintext, PublicKey, Rejected, SymmetricKey, scrub_stack};
use crate::wire::{Malformed, Oversized, Packet, SIGNATURE_LEN, SessionGrant};

/// Runs jobs with a provider, a private key and a source of randomness. Each thread has its own;
/// [`fork`](Crypto::fork) makes another one that shares the key.
pub struct Crypto {
    provider: Arc<dyn Provider>,
    private_key: Arc<dyn PrivateKey>,
    successor: Option<Arc<dyn PrivateKey>>,
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
        Self { provider, private_key, successor: None, wrapping_key, rng }
    }

    /// Gives a server's runner the key that takes the place of its key.
    #[must_use]
    pub fn with_successor(self, successor: Arc<dyn PrivateKey>) -> Self {
        Self { successor: Some(successor), ..self }
    }

    /// Makes a runner for another thread: the same keys, and a fork of the generator.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self {
            provider: Arc::clone(&self.provider),
            private_key: Arc::clone(&self.private_key),
            successor: self.successor.clone(),
            wrapping_key: self.wrapping_key.clone(),
            rng: self.rng.fork(),
        }
    }

    /// Public half of the private key.
    pub fn public_key(&self) -> &PublicKey {
        self.private_key.public_key()
    }

    /// Verifies one signature at once.
    pub fn verify(&self, check: SignatureCheck<'_>) -> Result<(), Rejected> {
        self.provider.verify(check.key, check.message, check.signature)
    }

    /// Signs at once with the private key. Whoever calls this has made sure that the text can't pass
    /// for a packet.
    pub(crate) fn sign(&mut self, text: &[u8]) -> Result<[u8; SIGNATURE_LEN], EmitError> {
        let signature = self.private_key.sign(&mut *self.rng, text);
        scrub_stack();
        signature
    }

    /// Runs one job.
    pub fn run(&mut self, job: Job) -> Outcome {
        let verdict = match job.check() {
            Some(check) => self.provider.verify(check.key, check.message, check.signature),
            None => Ok(()),
        };
        self.finish(job, verdict)
    }

    /// Runs jobs, each with a tag, and appends their outcomes in order. Their signatures are verified
    /// together, which some providers do several times faster.
    pub fn run_all<T>(&mut self, jobs: &mut Vec<(T, Job)>, outcomes: &mut Vec<(T, Outcome)>) {
        let checks: Vec<_> = jobs.iter().filter_map(|(_, job)| job.check()).collect();
        let mut verdicts = Vec::with_capacity(checks.len());
        self.provider.verify_all(&mut *self.rng, &checks, &mut verdicts);
        let mut verdicts = verdicts.into_iter();
        for (tag, job) in jobs.drain(..) {
            let verdict = match job.check() {
                Some(_) => verdicts.next().unwrap_or(Err(Rejected)),
                None => Ok(()),
            };
            outcomes.push((tag, self.finish(job, verdict)));
        }
    }

    /// Does what remains of a job once there is a verdict on its signature.
    fn finish(&mut self, job: Job, verdict: Result<(), Rejected>) -> Outcome {
        let outcome = match job {
            // The most frequent job, and the only one without secrets.
            Job::Verify { .. } => return Outcome::Verified(verdict),
            Job::OpenSealed { packet, key, at, .. } => {
                Outcome::Opened(verdict.and_then(|()| self.open_sealed(&packet, &key, at)))
            }
            Job::OpenRequest { packet, kind, key, .. } => {
                Outcome::RequestOpened(verdict.and_then(|()| self.open_request(&packet, kind, key)))
            }
            Job::OpenGrant { packet, .. } => {
                Outcome::GrantOpened(verdict.and_then(|()| self.open_grant(&packet)))
            }
            Job::OpenMessage { packet, signer } => {
                Outcome::MessageOpened(verdict.map(|()| self.open_message(&packet, &signer)))
            }
            Job::Emit(draft) => Outcome::Emitted(self.emit(&draft)),
        };
        scrub_stack();
        outcome
    }

    fn open_sealed(
        &self,
        packet: &Packet,
        key: &SymmetricKey,
        at: usize,
    ) -> Result<Plaintext, Rejected> {
        open_sealed(&*self.provider, key, packet.payload().get(at..).ok_or(Rejected)?)
    }

    fn open_request(
        &mut self,
        packet: &Packet,
        kind: RequestKind,
        key: OwnKey,
    ) -> Result<OpenedRequest, Rejected> {
        let (wrapped, _) = packet.payload().split_first_chunk::<OAEP_LEN>().ok_or(Rejected)?;
        let private_key = self.own_key(key).ok_or(Rejected)?;
        let plaintext = private_key.oaep_open(&mut *self.rng, kind.label().as_bytes(), wrapped)?;
        let session = kind.leads_to_session().then(|| {
            let key = SymmetricKey::random(&mut *self.rng);
            FreshSession { wrapped: key.wrap(&self.wrapping_key), key }
        });
        Ok(OpenedRequest { plaintext, session })
    }

    fn open_grant(&mut self, packet: &Packet) -> Result<Grant, Rejected> {
        let (wrapped, sealed) = packet.payload().split_first_chunk::<OAEP_LEN>().ok_or(Rejected)?;
        let grant =
            self.private_key.oaep_open(&mut *self.rng, SESSION_LABEL.as_bytes(), wrapped)?;
        let SessionGrant { session_key, request_hash, successor } =
            SessionGrant::parse(grant.expose())?;
        let sealed = match sealed {
            [] => None,
            sealed => Some(open_sealed(&*self.provider, &session_key, sealed)?),
        };
        Ok(Grant { session_key, request_hash: request_hash.0, successor, sealed })
    }

    fn open_message(&mut self, packet: &Packet, signer: &PublicKey) -> OpenedMessage {
        let (provider, recipient) = (&*self.provider, &*self.private_key);
        envelope::open(packet.payload(), provider, &mut *self.rng, signer, recipient)
    }

    fn emit(&mut self, draft: &Draft) -> Result<Packet, EmitError> {
        let mut payload = Vec::new();
        for part in &draft.parts {
            self.append(&mut payload, part)?;
        }
        let Some(signer) = draft.signer else {
            return Packet::build(
                draft.profile,
                draft.header,
                &payload,
                |_| Ok([0; SIGNATURE_LEN]),
            );
        };
        let private_key = self.own_key(signer).ok_or(EmitError)?;
        Packet::build(draft.profile, draft.header, &payload, |signed| {
            private_key.sign(&mut *self.rng, signed)
        })
    }

    fn own_key(&self, key: OwnKey) -> Option<Arc<dyn PrivateKey>> {
        match key {
            OwnKey::First => Some(Arc::clone(&self.private_key)),
            OwnKey::Successor => self.successor.clone(),
        }
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
