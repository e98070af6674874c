//! The server's steps, one verb per file. A step changes the state, begins what must be done, and
//! marks what it touched; [`settle`](self) runs once at the end of an input and does what follows.
//!
//! | file | what |
//! |---|---|
//! | `connect` | connections open, close, become congested and recover |
//! | `receive` | bytes become packets, packets are verified, then take effect in order of arrival |
//! | `invite` | who may register: invitations |
//! | `register`, `reconnect` | requests that lead to a session |
//! | `begin_session` | 201 and 206, and the session that follows |
//! | `look_up` | public keys: the server's own, and users' |
//! | `deliver` | messages and receipts on their way into mailboxes, the store and sockets |
//! | `record_answers` | the store learns whom a user has answered |
//! | `tell_undeliverable` | senders learn that a recipient's account is gone |
//! | `acknowledge` | acknowledgements by clients, and receipts for senders |
//! | `refuse` | every 244, and how answers are made |
//! | `relieve` | connections that hold most are closed when memory runs short |
//! | `end_account` | the session of a deleted or suspended account ends |
//! | `share` | what other servers do to a store that is shared |
//! | `reconfigure` | settings change while the server runs |
//! | `leave` | sessions and the server end in order |
//! | `expire` | items past retention |
//! | `inspect` | what the server holds, and whether that fits together |
//! | `settle` | what follows from all of these |

mod acknowledge;
mod begin_session;
mod connect;
mod deliver;
mod end_account;
mod expire;
mod inspect;
mod invite;
mod leave;
mod look_up;
mod receive;
mod reconfigure;
mod reconnect;
mod record_answers;
mod refuse;
mod register;
mod relieve;
mod settle;
mod share;
mod tell_undeliverable;
