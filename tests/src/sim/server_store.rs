//! The store of a world's servers.

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;

use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_storage::{MemoryStorage, Storage};

/// The server's store. All servers of a world have the same one: a clone is another way to it.
#[derive(Clone, Debug)]
pub(super) struct ServerStore(Rc<RefCell<MemoryStorage>>);

impl ServerStore {
    pub(super) fn new(store: MemoryStorage) -> Self {
        Self(Rc::new(RefCell::new(store)))
    }

    pub(super) fn read(&self) -> Ref<'_, MemoryStorage> {
        self.0.borrow()
    }

    pub(super) fn change(&self) -> RefMut<'_, MemoryStorage> {
        self.0.borrow_mut()
    }
}

impl Storage for ServerStore {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        self.change().commit(requests, outcomes);
    }
}
