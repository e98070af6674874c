//! What carries out a machine's actions.

use bytes::Bytes;
use sealpost_core::crypto::Job;
use sealpost_core::frame::{Event, Flow, Host, Machine};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::time::Mono;

use crate::application::{Application, Control};
use crate::crypto_pool::CryptoPool;
use crate::dialler::Dialler;
use crate::inbox::Hosted;
use crate::sockets::{Fact, Sockets};
use crate::storage_thread::StorageThread;

/// Sockets, store, crypto and application. Work is begun here and gathered; it is handed over at
/// the end of each turn of the reactor, many pieces with one system call or lock.
#[derive(Debug)]
pub(crate) struct MioHost<M: Machine, A> {
    pub(crate) sockets: Sockets,
    pub(crate) storage: StorageThread<M::StoreOp>,
    pub(crate) crypto: CryptoPool,
    pub(crate) application: A,
    /// A host of clients has one.
    pub(crate) dialler: Option<Dialler<M>>,
    /// When the input that is being carried out happened.
    pub(crate) now: Mono,
    /// What the application said last that was not to go on.
    pub(crate) control: Control,
}

impl<M: Hosted, A: Application<M>> MioHost<M, A> {
    /// Hands over what was gathered.
    pub(crate) fn flush(&mut self, now: Mono) {
        self.storage.submit();
        self.crypto.submit(now);
        self.sockets.flush();
    }

    /// The next event that carrying out actions has led to.
    pub(crate) fn next_event(&mut self) -> Option<Event<M>> {
        self.sockets.next_fact().map(|fact| match fact {
            Fact::Opened(conn, peer) => Event::Opened { conn, peer },
            Fact::Closed(conn) => Event::Closed { conn },
            Fact::Congested(conn) => Event::Congested { conn },
            Fact::Writable(conn) => Event::Writable { conn },
        })
    }

    /// Takes what came of dialling. A connection that nobody awaits any more is dropped.
    pub(crate) fn dialled(&mut self, conn: ConnId, stream: Option<std::net::TcpStream>) {
        let awaited = self.dialler.as_mut().is_some_and(|dialler| dialler.is_awaited(conn));
        if awaited {
            let stream = stream.and_then(|stream| {
                let peer = stream.peer_addr().ok()?.ip().to_canonical();
                Some((mio::net::TcpStream::from_std(stream), peer))
            });
            self.sockets.dialled(conn, stream);
        }
    }

    /// Gives up what took too long.
    pub(crate) fn expire(&mut self, now: Mono) {
        self.sockets.expire(now);
        while let Some(conn) = self.dialler.as_mut().and_then(|dialler| dialler.expired(now)) {
            tracing::debug!("dialling took too long");
            self.sockets.dialled(conn, None);
        }
    }

    /// When [`MioHost::expire`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        let dialler = self.dialler.as_ref().and_then(Dialler::deadline);
        self.sockets.deadline().into_iter().chain(dialler).min()
    }

    /// Commits what was asked for and ends the threads.
    pub(crate) fn finish(&mut self) {
        self.storage.finish();
        self.crypto.finish();
    }
}

impl<M: Hosted, A: Application<M>> Host<M> for MioHost<M, A> {
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        self.sockets.send(conn, bytes);
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
        self.sockets.flow(conn, flow);
    }

    fn close(&mut self, conn: ConnId) {
        let dialling = self.dialler.as_mut().is_some_and(|dialler| dialler.is_awaited(conn));
        if !dialling {
            self.sockets.close(conn, self.now);
        }
    }

    fn dial(&mut self, conn: ConnId) {
        let begun = self.dialler.as_mut().map(|dialler| dialler.dial(conn, self.now));
        match begun {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "can't dial");
                self.sockets.dialled(conn, None);
            }
            None => {
                tracing::error!("a machine that accepts connections asked for one");
                self.sockets.dialled(conn, None);
            }
        }
    }
}
