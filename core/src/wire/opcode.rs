//! Operation codes (PROTOCOL 3).

use super::codes::code_table;

code_table! {
    /// Operation of a packet.
    pub enum Op {
        /// Asks for an account for a phone number.
        Register = 100, ToServerBeforeSession;
        /// Confirms a registration with the one-time password and the new public key.
        Confirm = 101, ToServerBeforeSession;
        /// Message from client to client. The server forwards it and never opens it.
        Message = 102, Both;
        /// Looks a user up by phone number or id; before a session, asks for the server's own key.
        RequestPublicKey = 105, ToServer;
        /// Opens a session of a registered client.
        Reconnect = 106, ToServerBeforeSession;
        /// Refuses a registration: the phone number has an account already.
        RegistrationRejected = 150, ToClient;
        /// Announces that a one-time password was issued.
        OtpIssued = 200, ToClient;
        /// Completes a registration: the new id and a session key.
        SessionIssued = 201, ToClient;
        /// Acknowledges: a message is stored, messages were delivered, or receipts were taken
        /// (PROTOCOL 6.1).
        DeliveryAck = 203, Both;
        /// Answers a look-up.
        PublicKey = 204, ToClient;
        /// Answers a 106 with the key of the new session.
        SessionResumed = 206, ToClient;
        /// Ends a session in order. The server acknowledges it with one of its own.
        Disconnect = 222, Both;
        /// Reports an error (PROTOCOL 7).
        Error = 244, ToClient;
        /// Says that every stored item was sent and acknowledged.
        NoMoreMessages = 255, ToClient;
    }

    /// Direction in which packets of this operation travel.
    pub fn direction() -> Direction;
}

/// Direction of an operation: which side of a connection takes it, and whether it needs a session
/// there (the column *direction* of PROTOCOL 3, and PROTOCOL 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From client to server, only before a session: what registers a user or opens a session.
    ToServerBeforeSession,
    /// From client to server: without a payload before a session, with one in a session.
    ToServer,
    /// From client to server and from server to client, only in a session.
    Both,
    /// From server to client.
    ToClient,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_round_trips_and_no_other_parses() {
        let known = (0..=u8::MAX).filter_map(Op::from_code);
        assert!(known.eq(Op::ALL));
        assert!(Op::ALL.iter().all(|op| Op::from_code(op.code()) == Some(*op)));
    }
}
