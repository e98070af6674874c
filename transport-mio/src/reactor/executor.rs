//! Carries out a machine's actions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sealpost_core::crypto::Job;
use sealpost_core::frame::{Event, Flow, Host, Machine, Seen};
use sealpost_core::ids::{ConnId, EndpointIndex, Ticket};
use sealpost_core::time::Mono;

use crate::application::{Application, Control};
use crate::dial_error::DialError;
use crate::sockets::{Connections, Dialler, SocketEvent};
use crate::threads::{CryptoPool, Dialled, HostedMachine, StorageThread};

/// The sockets, store, cryptography and application on which a machine acts. Actions only gather
/// work here; [`Executor::flush`] hands it over once a turn, so that many pieces cost one system
/// call or one lock.
#[derive(Debug)]
pub(super) struct Executor<M: Machine, A> {
    pub(super) connections: Connections,
    pub(super) storage: StorageThread<M::StoreOp>,
    pub(super) crypto: CryptoPool,
    pub(super) application: A,
    /// Set only in a host of a client machine.
    pub(super) dialler: Option<Dialler<M>>,
    /// Memory of what is queued for all connections, for other threads to read.
    pub(super) queued_bytes: Arc<AtomicUsize>,
    /// Time of the input whose actions are being carried out.
    pub(super) now: Mono,
    /// [`Control::Stop`] once the application has asked the host to stop.
    pub(super) control: Control,
}

impl<M: HostedMachine, A: Application<M>> Executor<M, A> {
    /// Hands over all gathered work.
    pub(super) fn flush(&mut self, now: Mono) {
        self.storage.submit();
        self.crypto.submit(now);
        self.connections.flush();
        self.queued_bytes.store(self.connections.queued_memory(), Ordering::Relaxed);
    }

    /// The next event that resulted from carrying out actions or serving sockets.
    pub(super) fn next_event(&mut self) -> Option<Event<M>> {
        self.connections.next_event().map(|event| match event {
            SocketEvent::Opened(conn, peer) => Event::Opened { conn, peer },
            SocketEvent::Closed(conn) => Event::Closed { conn },
            SocketEvent::Congested(conn) => Event::Congested { conn },
            SocketEvent::Writable(conn) => Event::Writable { conn },
        })
    }

    /// Takes the result of dialling. A connection that is no longer awaited, because it timed out
    /// or the machine closed it, is dropped.
    pub(super) fn dialled(&mut self, conn: ConnId, result: Result<Dialled, DialError>) {
        let awaited = self.dialler.as_mut().is_some_and(|dialler| dialler.take_pending(conn));
        if !awaited {
            return;
        }
        match result {
            Ok(Dialled { socket, peer, tls }) => {
                self.connections.add_dialled(conn, socket, peer, tls);
            }
            Err(error) => self.dialling_failed(conn, &error),
        }
    }

    fn dialling_failed(&mut self, conn: ConnId, error: &DialError) {
        tracing::debug!(%error, "dialling the server failed");
        self.application.dialling_failed(error);
        self.connections.fail_dialled(conn);
    }

    /// Tells the application if bytes from the server show that this client lacks TLS.
    pub(super) fn note_arrival(&mut self, data: &[u8]) {
        if self.dialler.as_ref().is_some_and(|dialler| dialler.lacks_tls(data)) {
            self.application.dialling_failed(&DialError::TlsNeeded);
        }
    }

    /// Gives up closed connections and dialling attempts whose time is over.
    pub(super) fn expire(&mut self, now: Mono) {
        self.connections.expire(now);
        while let Some(conn) = self.dialler.as_mut().and_then(|dialler| dialler.expired(now)) {
            self.dialling_failed(conn, &DialError::TimedOut);
        }
    }

    /// When [`Executor::expire`] must be called.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let dialler = self.dialler.as_ref().and_then(Dialler::deadline);
        self.connections.deadline().into_iter().chain(dialler).min()
    }

    /// Commits all outstanding requests and ends the threads.
    pub(super) fn finish(&mut self) {
        self.storage.finish();
        self.crypto.finish();
    }
}

impl<M: HostedMachine, A: Application<M>> Host<M> for Executor<M, A> {
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        self.connections.send(conn, bytes);
    }

    fn store(&mut self, ticket: Ticket, op: M::StoreOp) {
        self.storage.gather(ticket, op);
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.crypto.gather(ticket, job, self.now);
    }

    fn deliver(&mut self, delivery: M::Delivery) {
        self.application.deliver(delivery);
    }

    fn notify(&mut self, notice: M::Notice) {
        match self.application.notify(notice) {
            Control::Continue => {}
            Control::Stop => self.control = Control::Stop,
        }
    }

    fn flow(&mut self, conn: ConnId, flow: Flow) {
        self.connections.flow(conn, flow);
    }

    fn close(&mut self, conn: ConnId) {
        // A connection that is still being dialled has no socket yet: forgetting it is enough.
        let dialling = self.dialler.as_mut().is_some_and(|dialler| dialler.take_pending(conn));
        if !dialling {
            self.connections.close(conn, self.now);
        }
    }

    fn dial(&mut self, conn: ConnId, endpoint: EndpointIndex) {
        let dialler = self.dialler.as_mut();
        match dialler.and_then(|dialler| dialler.dial(conn, endpoint, self.now)) {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "can't dial the server");
                self.connections.fail_dialled(conn);
            }
            None => {
                tracing::error!("the machine dials a server that this host was not given");
                self.connections.fail_dialled(conn);
            }
        }
    }

    fn watch(&mut self, seen: &Seen<'_, '_, M>) {
        self.application.watch(seen);
    }
}
