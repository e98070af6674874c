//! Settings change while the server runs.

use crate::server::config::Reconfiguration;
use crate::server::{Notice, Server};

impl Server {
    /// Takes new settings over, if the server can work with them.
    pub(in crate::server) fn on_reconfigure(&mut self, new: Reconfiguration) {
        if let Err(error) = new.validate() {
            self.out.notify(Notice::ReconfigurationRefused { error });
            return;
        }
        let Reconfiguration {
            otp_channel,
            registered_phones,
            registration,
            exempt_networks,
            limits,
        } = new;
        self.admission.adjust(&limits);
        self.user_meters.adjust(&limits);
        self.config.otp_channel = otp_channel;
        self.config.registered_phones = registered_phones;
        self.config.registration = registration;
        self.config.exempt_networks = exempt_networks;
        self.config.limits = limits;
        // A connection may have paused at a bound that is higher now.
        for conn in self.connections.ids() {
            self.touched.conn(conn);
        }
        self.out.notify(Notice::Reconfigured);
    }
}
