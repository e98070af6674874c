//! Which engine, and which deployment in it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::opening::OpenJetStreamError;

/// Where a deployment is kept. Servers that share it are configured alike.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses of the engine's servers, as `nats://host:port`. Any of them will do: the others
    /// are learned from it.
    pub servers: Vec<String>,
    /// How the engine knows this server.
    pub credentials: Credentials,
    /// How it is known that the engine acknowledges only what is on its disks.
    pub syncing: Syncing,
    /// TLS to the engine; `None` for a connection in the clear, on a network that is trusted.
    pub tls: Option<Tls>,
    /// Name of the deployment. Several deployments can share an engine.
    pub deployment: String,
    /// Streams over which mailboxes are spread; counts only when the deployment is created.
    pub shards: u16,
    /// Copies of each stream, on as many servers; counts only when the deployment is created. 1, 3
    /// or 5.
    pub replicas: usize,
    /// What becomes of a deployment that does not exist.
    pub missing: Missing,
    /// How long an operation is repeated while the engine does not answer. Electing the leader of a
    /// stream took up to 7.4 s in trials.
    pub patience: Duration,
}

/// How the engine knows a client.
#[derive(Clone, Default)]
pub enum Credentials {
    /// The engine accepts anybody.
    #[default]
    None,
    /// A user and a password.
    Password {
        /// Name of the user.
        user: String,
        /// The password.
        password: Zeroizing<String>,
    },
}

/// How it is known that the engine syncs what it acknowledges. Its default does so every two minutes,
/// and its clients are not told.
#[derive(Clone, Debug)]
pub enum Syncing {
    /// Its servers are asked at the start, by this user of its system account.
    AskedBy(Credentials),
    /// The operator has made sure of `sync_interval: always` on every server.
    Trusted,
}

/// What becomes of a deployment that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is created, empty.
    Create,
    /// It is an error: it has been used, and an empty one would hide that it was lost.
    Refuse,
}

/// TLS to the engine. The files are read at each connection, so that they can be replaced.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// File of certificate authorities, as PEM, in place of those of the system.
    pub authorities: Option<PathBuf>,
    /// What shows the engine who this server is.
    pub identity: Option<Identity>,
}

/// A certificate of this server, for an engine that asks its clients for one.
#[derive(Clone, Debug)]
pub struct Identity {
    /// File with the certificate and those that lead to an authority, as PEM.
    pub certificate: PathBuf,
    /// File with its private key, as PEM.
    pub key: PathBuf,
}

impl Config {
    /// The deployment `sealpost` on these servers: 16 shards, three copies of each stream, and a
    /// patience of 10 s.
    pub fn new(servers: Vec<String>, syncing: Syncing) -> Self {
        Self {
            servers,
            syncing,
            credentials: Credentials::None,
            tls: None,
            deployment: "sealpost".into(),
            shards: 16,
            replicas: 3,
            missing: Missing::Create,
            patience: Duration::from_secs(10),
        }
    }

    /// Checks what the engine would refuse, or take for something else.
    pub fn validate(&self) -> Result<(), OpenJetStreamError> {
        let is_named = (1..=32).contains(&self.deployment.len())
            && self.deployment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !is_named {
            return Err(OpenJetStreamError::InvalidName(self.deployment.clone()));
        }
        let is_sized = (1..=1_000).contains(&self.shards) && [1, 3, 5].contains(&self.replicas);
        if is_sized { Ok(()) } else { Err(OpenJetStreamError::InvalidSize) }
    }
}

impl Credentials {
    /// Name of the user, if there is one.
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Password { user, .. } => Some(user),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes_that_the_engine_would_refuse_are_refused() {
        let config = Config::new(vec!["nats://localhost".into()], Syncing::Trusted);
        assert!(config.validate().is_ok());
        for name in ["", "a.b", "a b", "*", ">", "ü", &"a".repeat(33)] {
            let config = Config { deployment: name.into(), ..config.clone() };
            assert!(matches!(config.validate(), Err(OpenJetStreamError::InvalidName(_))), "{name}");
        }
        for (shards, replicas) in [(0, 1), (1_001, 1), (1, 0), (1, 2), (1, 7)] {
            let config = Config { shards, replicas, ..config.clone() };
            assert!(matches!(config.validate(), Err(OpenJetStreamError::InvalidSize)));
        }
    }

    #[test]
    fn password_is_not_shown() {
        let password = Zeroizing::new("swordfish".to_owned());
        let credentials = Credentials::Password { user: "sealpost".into(), password };
        assert_eq!(format!("{credentials:?}"), r#"Password { user: "sealpost", .. }"#);
    }
}
