#![cfg(test)]
//! Other threads reach the machine and the store of a running host.

mod certificates;
mod scripted_host;

use scripted_host::{Behaviour, BoundServer, Order, PATIENCE, RunningHost, config};
use sealpost_core::frame::Machine;

#[test]
fn visit_before_run_waits_for_it() {
    let bound = BoundServer::new(&config(), Behaviour::Silent);
    let (handle, store) = (bound.server.handle(), bound.server.store());
    assert_eq!(store.with_store(|_| 1).recv_timeout(PATIENCE), Ok(1), "the store runs already");
    let visited = handle.with_machine(|_| 2);
    let host = bound.run();
    assert_eq!(visited.recv_timeout(PATIENCE), Ok(2));
    host.end();
}

#[test]
fn visit_sees_the_effects_of_earlier_commands() {
    let host = RunningHost::server(&config(), Behaviour::Silent);
    let waits = || host.handle.with_machine(|machine| machine.deadline().is_some());
    assert_eq!(waits().recv_timeout(PATIENCE), Ok(false));
    host.give([Order::TickIn(PATIENCE)]);
    assert_eq!(waits().recv_timeout(PATIENCE), Ok(true));
    host.end();
}

#[test]
fn visits_of_an_ended_host_are_told() {
    let bound = BoundServer::new(&config(), Behaviour::Silent);
    let (handle, store) = (bound.server.handle(), bound.server.store());
    let waiting = handle.with_machine(|_| ());
    drop(bound);
    assert!(waiting.recv_timeout(PATIENCE).is_err(), "it was waiting for run");
    assert!(handle.with_machine(|_| ()).recv_timeout(PATIENCE).is_err());
    assert!(store.with_store(|_| ()).recv_timeout(PATIENCE).is_err());

    let bound = BoundServer::new(&config(), Behaviour::Silent);
    let store = bound.server.store();
    let host = bound.run();
    let handle = host.handle.clone();
    host.end();
    assert!(handle.with_machine(|_| ()).recv_timeout(PATIENCE).is_err());
    assert!(store.with_store(|_| ()).recv_timeout(PATIENCE).is_err());
}
