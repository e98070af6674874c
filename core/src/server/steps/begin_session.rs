//! What 201 and 206 have in common: a session begins.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::crypto::{EmitError, Part, SESSION_LABEL};
use crate::server::alarm::Alarm;
use crate::server::awaits::AwaitJob;
use crate::server::state::conn::Phase;
use crate::server::state::entry::Entry;
use crate::server::state::mailbox::Start;
use crate::server::state::refusal::Refusal;
use crate::server::state::session::Session;
use crate::server::{Notice, Server};
use crate::wire::{ErrorCode, Op, Packet, SessionGrant, SessionResumed};

impl Server {
    /// Has the 201 or 206 made. From here, a later request of the same user displaces this one.
    pub(in crate::server) fn grant(&mut self, entry: Entry) {
        let (user, session_key) = (entry.user(), entry.session_key());
        if let Entry::Registered { .. } = entry {
            self.connections.begin_granting(user, entry.request().conn);
        }
        let request_hash = entry.request().packet.request_hash();
        let successor = self.config.successor.as_ref().map(|key| *key.fingerprint());
        let grant = SessionGrant { session_key: session_key.clone(), request_hash, successor };
        let mut parts: Vec<Part> = vec![Part::Oaep {
            to: entry.public_key().clone(),
            label: SESSION_LABEL,
            plaintext: grant.emit(),
        }];
        let op = match entry {
            Entry::Registered { .. } => Op::SessionIssued,
            Entry::Reconnected { waiting, .. } => {
                let plaintext = SessionResumed { pending: waiting.items }.emit();
                parts.push(Part::Sealed { key: session_key.clone(), plaintext });
                Op::SessionResumed
            }
        };
        let draft = self.draft(entry.request().conn, Some(user), op, parts);
        self.out.emit(draft, AwaitJob::Granted(Box::new(entry)));
    }

    /// The grant is signed: it goes out, and the session begins.
    pub(in crate::server) fn on_granted(
        &mut self,
        entry: &Entry,
        emitted: Result<Packet, EmitError>,
    ) {
        let (conn_id, user) = (entry.request().conn, entry.user());
        if !self.connections.end_granting(user, conn_id, entry.session().place) {
            // Another connection of the same user was accepted after this one, here or elsewhere.
            return self.refuse_and_close(conn_id, Refusal::new(ErrorCode::Displaced));
        }
        let conn = self.connections.get(conn_id);
        if !conn.is_some_and(|conn| matches!(conn.phase, Phase::AwaitReply { .. })) {
            return;
        }
        let Ok(packet) = emitted else { return self.close(conn_id) };
        // An older session may have begun since this one was accepted. It hands over what its user
        // owes.
        self.displace(user);
        let meters = self.user_meters.begin_session(user);
        let Some(conn) = self.connections.get_mut(conn_id) else { return };
        conn.phase = Phase::Session(Box::new(Session::begin(entry, meters)));
        self.alarms.cancel(Alarm::Handshake(conn_id));
        self.counters.sessions_begun += 1;
        self.send(conn_id, &packet);
        self.connections.session_begun(user, conn_id);
        self.begin_sharing(user, entry.session().place);
        self.out.notify(Notice::SessionOpened { user, conn: conn_id });
        let start = match entry {
            Entry::Registered { .. } => Start::Fresh,
            Entry::Reconnected { session, .. } => Start::Reconnected { since: session.since },
        };
        // Attached, not recreated as live: what is stored has to be drained first.
        self.mailboxes.of(user, || None).0.attach(conn_id, start);
        self.touched.mailbox(user);
        self.touched.conn(conn_id);
        if entry.waiting().undeliverable > 0 {
            self.read_undeliverable(conn_id, user);
        }
    }
}
