//! The keys that all servers of a deployment have.
//!
//! Clients know a deployment by its key. A server with another one would be taken for an impostor, so
//! the keys are on record, and a server that has others is refused.

use sealpost_core::keys::Fingerprint;

use super::accounts::Accounts;
use super::failure::Failure;
use super::records::{Record, ServerKeyFields};
use super::retry::retried;

/// Fingerprints of a server's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKeys {
    /// The key that clients know.
    pub first: Fingerprint,
    /// The key that takes its place, while the key is being changed.
    pub successor: Option<Fingerprint>,
}

/// Whether a server may serve a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Its keys are those of the deployment.
    Admitted,
    /// It still has an old key that the deployment has retired, besides the right one.
    OldKeyKept,
    /// It has other keys than the deployment, or lacks one; these are on record.
    Refused(ServerKeys),
}

/// What follows from a server's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Admission(Admission),
    /// It is the first server of the deployment, or the first one that has a new key or has retired
    /// an old one.
    Record,
}

impl Accounts<'_> {
    /// Keys on record; `None` before the first server.
    pub(super) async fn server_keys(&self) -> Result<Option<ServerKeys>, Failure> {
        let slot = self.connection.read(&self.layout.server_key()).await?;
        ServerKeyFields::of(&slot)?.map(|fields| fields.keys()).transpose()
    }

    pub(super) async fn admit(&self, own: ServerKeys) -> Result<Admission, Failure> {
        retried(async || {
            let key = self.layout.server_key();
            let slot = self.connection.read(&key).await?;
            let recorded = ServerKeyFields::of(&slot)?.map(|fields| fields.keys()).transpose()?;
            match judge(recorded, own) {
                Verdict::Admission(admission) => Ok(admission),
                Verdict::Record => {
                    let value = ServerKeyFields::from(own).value()?;
                    self.connection.commit(&[key.write(slot.revision, value)]).await?;
                    Ok(Admission::Admitted)
                }
            }
        })
        .await
    }
}

fn judge(recorded: Option<ServerKeys>, own: ServerKeys) -> Verdict {
    let Some(recorded) = recorded else { return Verdict::Record };
    let begins_change = own.first == recorded.first && recorded.successor.is_none();
    let ends_change = recorded.successor == Some(own.first);
    let keeps_old = recorded.successor.is_none() && own.successor == Some(recorded.first);
    if own == recorded {
        Verdict::Admission(Admission::Admitted)
    } else if begins_change || ends_change {
        Verdict::Record
    } else if keeps_old {
        Verdict::Admission(Admission::OldKeyKept)
    } else {
        Verdict::Admission(Admission::Refused(recorded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(first: u8, successor: Option<u8>) -> ServerKeys {
        let fingerprint = |byte| Fingerprint([byte; 32]);
        ServerKeys { first: fingerprint(first), successor: successor.map(fingerprint) }
    }

    #[test]
    fn key_is_changed_by_one_server_after_the_other() {
        let admission = |admission| Verdict::Admission(admission);
        let old = keys(1, None);
        assert_eq!(judge(None, old), Verdict::Record);
        assert_eq!(judge(Some(old), old), admission(Admission::Admitted));
        let both = keys(1, Some(2));
        assert_eq!(judge(Some(old), both), Verdict::Record, "the change begins");
        assert_eq!(judge(Some(both), both), admission(Admission::Admitted));
        assert_eq!(
            judge(Some(both), old),
            admission(Admission::Refused(both)),
            "lacks the successor"
        );
        let new = keys(2, None);
        assert_eq!(judge(Some(both), new), Verdict::Record, "the old key is retired");
        assert_eq!(judge(Some(new), both), admission(Admission::OldKeyKept));
        assert_eq!(judge(Some(new), old), admission(Admission::Refused(new)));
    }

    #[test]
    fn other_keys_are_refused() {
        for (recorded, own) in [
            (keys(1, None), keys(2, None)),
            (keys(1, None), keys(2, Some(3))),
            (keys(1, Some(2)), keys(1, Some(3))),
            (keys(1, Some(2)), keys(3, Some(1))),
            (keys(1, Some(2)), keys(3, Some(2))),
        ] {
            let refused = Verdict::Admission(Admission::Refused(recorded));
            assert_eq!(judge(Some(recorded), own), refused, "{own:?}");
        }
    }
}
