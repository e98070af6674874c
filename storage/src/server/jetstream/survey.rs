//! Whether every server of the engine is new enough, and acknowledges only what is on its disk.

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::time::timeout;

use super::connection::ANSWER_TIMEOUT;
use super::opening::OpenJetStreamError;

/// Asks every server. Those that store nothing don't count; of the others there must be `needed`.
/// The client must be a user of the engine's system account.
pub(super) async fn survey(client: &Client, needed: usize) -> Result<(), OpenJetStreamError> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(failed)?;
    client.publish_with_reply(EVERY_SERVER, inbox, "".into()).await.map_err(failed)?;
    let mut found = 0;
    // Nobody knows how many will answer. Servers that store answer within milliseconds.
    while let Some(answer) = next(&mut answers, found, needed).await {
        let Answer { server, data } = parse(&answer)?;
        let Some(config) = data.config else { continue };
        if !is_new_enough(&server.ver) {
            return Err(OpenJetStreamError::OldServer { found: server.ver });
        }
        if !config.sync_always {
            return Err(OpenJetStreamError::NotSynced(server.name));
        }
        found += 1;
    }
    if found < needed {
        return Err(OpenJetStreamError::TooFewServers { found, needed });
    }
    Ok(())
}

/// The next answer; `None` if there will be none. Once enough have come, the rest must hurry.
async fn next(answers: &mut Subscriber, found: usize, needed: usize) -> Option<Message> {
    let patience = if found < needed { ANSWER_TIMEOUT } else { ANSWER_TIMEOUT / 8 };
    timeout(patience, answers.next()).await.ok().flatten()
}

fn parse(answer: &Message) -> Result<Answer, OpenJetStreamError> {
    // The engine's own answer if nobody listens: the user is not one of the system account.
    if answer.status.is_some() {
        return Err(OpenJetStreamError::NotSystemUser);
    }
    serde_json::from_slice(&answer.payload).map_err(failed)
}

/// Whether a version, as in "2.14.1", is one whose transactions are repaired.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let version = (numbers.next().flatten(), numbers.next().flatten());
    version >= (Some(2), Some(14))
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn failed(error: impl ToString) -> OpenJetStreamError {
    OpenJetStreamError::Engine(error.to_string())
}

/// What a server answers about its storage.
#[derive(Deserialize)]
struct Answer {
    server: Server,
    data: Storage,
}

#[derive(Deserialize)]
struct Server {
    name: String,
    ver: String,
}

#[derive(Deserialize)]
struct Storage {
    /// Missing if the server stores nothing.
    config: Option<Settings>,
}

#[derive(Deserialize)]
struct Settings {
    /// Left out if it is false.
    #[serde(default)]
    sync_always: bool,
}

/// Subject on which every server answers what it is asked about its storage.
const EVERY_SERVER: &str = "$SYS.REQ.SERVER.PING.JSZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for version in ["2.14.0", "2.14.0-RC.1", "2.15.1", "2.100.0", "3.0.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["2.13.9", "2.9.24", "1.99.0", "", "two"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
