//! What happens on connections: they open, bytes arrive, they are lost, they are full.

use sealpost_core::frame::{Event, Flow, Input};
use sealpost_core::ids::ConnId;

use super::around::Around;
use super::net::{Arrival, LineId};
use super::plan::End;
use super::world::{Who, World};

impl World {
    pub(super) fn opened(&mut self, id: LineId, end: End) {
        let Some(line) = self.around.net.lines.get_mut(&id) else { return };
        if line.up.void {
            return;
        }
        let (who, dialler) = (line.who(end), line.dialler);
        match end {
            End::Server => line.server.open = true,
            End::Client if !line.client.open => return,
            End::Client => {}
        }
        let conn = line.socket(end).conn;
        let peer = Around::address(if end == End::Server { dialler } else { Who::Server });
        match who {
            Who::Server => self.input_server(Input::Event(Event::Opened { conn, peer })),
            Who::Client(index) => {
                self.input_client(index, Input::Event(Event::Opened { conn, peer }));
            }
            Who::Puppet(index) => self.puppet_opened(index, conn),
        }
    }

    pub(super) fn arrive(&mut self, id: LineId, from: End) {
        let now = self.around.agenda.now();
        let piece = self.piece();
        let Some(line) = self.around.net.lines.get_mut(&id) else { return };
        let to = from.other();
        let who = line.who(to);
        line.way(from).awaited = false;
        let socket = line.socket(to);
        let (open, paused, conn) = (socket.open, socket.flow == Flow::Pause, socket.conn);
        if open && paused {
            return;
        }
        match line.way(from).arrive(now, piece) {
            Arrival::Nothing => {}
            Arrival::Bytes(bytes) => {
                self.around.trace.note(now, &[7, id.0, bytes.len() as u64], || {
                    format!("{who} gets {} bytes", bytes.len())
                });
                if open {
                    self.hand_over(who, conn, &bytes);
                }
                self.around.pour(id, from);
            }
            Arrival::End => return self.lost(id, to),
        }
        self.around.await_arrival(id, from);
    }

    fn piece(&mut self) -> Option<usize> {
        match self.around.settings.piece {
            0 => None,
            most => Some(1 + self.around.dice.index(most)),
        }
    }

    fn hand_over(&mut self, who: Who, conn: ConnId, data: &[u8]) {
        match who {
            Who::Server => self.input_server(Input::Bytes { conn, data }),
            Who::Client(index) => self.input_client(index, Input::Bytes { conn, data }),
            Who::Puppet(index) => self.puppet_bytes(index, data),
        }
    }

    pub(super) fn lost(&mut self, id: LineId, end: End) {
        let Some(line) = self.around.net.lines.get_mut(&id) else { return };
        let who = line.who(end);
        let was_open = std::mem::take(&mut line.socket(end).open);
        let conn = line.socket(end).conn;
        line.up.lose();
        line.down.lose();
        self.around.forget_if_closed(id);
        if !was_open {
            return;
        }
        let now = self.around.agenda.now();
        self.around.trace.note(now, &[8, id.0], || format!("{who} loses {}", conn.0));
        match who {
            Who::Server => self.input_server(Input::Event(Event::Closed { conn })),
            Who::Client(index) => self.input_client(index, Input::Event(Event::Closed { conn })),
            Who::Puppet(index) => self.puppet_lost(index, conn),
        }
    }

    pub(super) fn pressure(&mut self, id: LineId, end: End) {
        let Some(line) = self.around.net.lines.get_mut(&id) else { return };
        let (who, congested) = (line.who(end), line.way(end).congested);
        let socket = line.socket(end);
        let conn = socket.conn;
        if !socket.open {
            return;
        }
        if congested {
            let server = who == Who::Server;
            self.around.tally.state(if server { "reader congested" } else { "client congested" });
        }
        match who {
            Who::Server if congested => {
                self.input_server(Input::Event(Event::Congested { conn }));
            }
            Who::Server => self.input_server(Input::Event(Event::Writable { conn })),
            Who::Client(index) if congested => {
                self.input_client(index, Input::Event(Event::Congested { conn }));
            }
            Who::Client(index) => {
                self.input_client(index, Input::Event(Event::Writable { conn }));
            }
            Who::Puppet(_) => {}
        }
    }
}
