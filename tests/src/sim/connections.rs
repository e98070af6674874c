//! Events on links: established, bytes arrived, lost, congested.

use sealpost_core::frame::{Event, Flow, Input};
use sealpost_core::ids::ConnId;

use super::environment::Environment;
use super::network::{Arrival, LinkId};
use super::process::ProcessId;
use super::step::End;
use super::world::World;

impl World {
    pub(super) fn opened(&mut self, id: LinkId, end: End) {
        let Some(link) = self.env.network.links.get_mut(&id) else { return };
        if link.up.broken {
            return;
        }
        let who = link.who(end);
        let peer = Environment::address(link.who(end.other()));
        match end {
            End::Server => link.server.open = true,
            End::Client if !link.client.open => return,
            End::Client => {}
        }
        let conn = link.socket(end).conn;
        match who {
            ProcessId::Server(index) => {
                self.input_server(index, Input::Event(Event::Opened { conn, peer }));
            }
            ProcessId::Client(index) => {
                self.input_client(index, Input::Event(Event::Opened { conn, peer }));
            }
            ProcessId::Scripted(index) => self.scripted_opened(index, conn),
            ProcessId::Greedy(index) => self.greedy_opened(index, conn),
        }
    }

    pub(super) fn arrive(&mut self, id: LinkId, from: End) {
        let now = self.env.queue.now();
        let piece = self.piece();
        let Some(link) = self.env.network.links.get_mut(&id) else { return };
        let to = from.other();
        let who = link.who(to);
        link.pipe(from).arrival_scheduled = false;
        let socket = link.socket(to);
        let (open, paused, conn) = (socket.open, socket.flow == Flow::Pause, socket.conn);
        if open && paused {
            // The bytes stay in flight, which slows the sender down. Resuming schedules the arrival.
            return;
        }
        match link.pipe(from).arrive(now, piece) {
            Arrival::Nothing => {}
            Arrival::Bytes(bytes) => {
                self.env.trace.note(now, &[7, id.0, bytes.len() as u64], || {
                    format!("{who} receives {} bytes", bytes.len())
                });
                if open {
                    self.hand_over(who, conn, &bytes);
                }
                self.env.transmit(id, from);
            }
            Arrival::End => return self.lost(id, to),
        }
        self.env.schedule_arrival(id, from);
    }

    fn piece(&mut self) -> Option<usize> {
        match self.env.settings.piece {
            0 => None,
            most => Some(1 + self.env.dice.index(most)),
        }
    }

    fn hand_over(&mut self, who: ProcessId, conn: ConnId, data: &[u8]) {
        match who {
            ProcessId::Server(index) => self.input_server(index, Input::Bytes { conn, data }),
            ProcessId::Client(index) => self.input_client(index, Input::Bytes { conn, data }),
            ProcessId::Scripted(index) => self.scripted_receives(index, data),
            ProcessId::Greedy(index) => self.greedy_receives(index, conn, data),
        }
    }

    pub(super) fn lost(&mut self, id: LinkId, end: End) {
        let Some(link) = self.env.network.links.get_mut(&id) else { return };
        let who = link.who(end);
        let was_open = std::mem::take(&mut link.socket(end).open);
        let conn = link.socket(end).conn;
        link.up.lose();
        link.down.lose();
        self.env.forget_if_closed(id);
        if !was_open {
            return;
        }
        let now = self.env.queue.now();
        self.env.trace.note(now, &[8, id.0], || format!("{who} loses {}", conn.0));
        match who {
            ProcessId::Server(index) => {
                self.input_server(index, Input::Event(Event::Closed { conn }));
            }
            ProcessId::Client(index) => {
                self.input_client(index, Input::Event(Event::Closed { conn }));
            }
            ProcessId::Scripted(index) => self.scripted_lost(index, conn),
            ProcessId::Greedy(index) => self.greedy_lost(index, conn),
        }
    }

    pub(super) fn pressure(&mut self, id: LinkId, end: End) {
        let Some(link) = self.env.network.links.get_mut(&id) else { return };
        let (who, congested) = (link.who(end), link.pipe(end).congested);
        let socket = link.socket(end);
        let conn = socket.conn;
        if !socket.open {
            return;
        }
        if congested {
            let server = who.is_server();
            self.env.tally.state(if server { "recipient congested" } else { "client congested" });
        }
        match who {
            ProcessId::Server(index) if congested => {
                self.input_server(index, Input::Event(Event::Congested { conn }));
            }
            ProcessId::Server(index) => {
                self.input_server(index, Input::Event(Event::Writable { conn }));
            }
            ProcessId::Client(index) if congested => {
                self.input_client(index, Input::Event(Event::Congested { conn }));
            }
            ProcessId::Client(index) => {
                self.input_client(index, Input::Event(Event::Writable { conn }));
            }
            ProcessId::Scripted(_) | ProcessId::Greedy(_) => {}
        }
    }
}
