//! The steps of a registration, taken by a scripted client: the starting point for tests of it.

use sealpost_core::server::OtpDelivery;
use sealpost_core::wire::{ErrorCode, ErrorForm, Otp, OtpIssued};

use crate::beds::ServerBed;
use crate::scripted_client::{Received, ScriptedClient};

/// Sends a 100, and returns the answer to it.
pub fn ask(client: &mut ScriptedClient, bed: &mut ServerBed) -> Received {
    let request = client.register(bed.now().wall);
    bed.input_packet(client.conn, &request);
    let received = client.receive(bed).unwrap();
    if let Received::OtpIssued(OtpIssued { in_reply_to, .. }) = received {
        assert_eq!(in_reply_to, request.request_hash().in_reply_to());
    }
    received
}

/// The new password that a 100 brings.
pub fn otp(client: &mut ScriptedClient, bed: &mut ServerBed) -> Otp {
    match ask(client, bed) {
        Received::OtpIssued(OtpIssued { otp: Some(otp), ttl_secs: 300, attempts: 5, .. }) => otp,
        other => panic!("{other:?}"),
    }
}

/// Sends a 101 on a new connection, as after a broken one, and returns the answer.
pub fn confirm(client: &mut ScriptedClient, bed: &mut ServerBed, otp: &Otp) -> Received {
    client.conn = bed.connect();
    let confirm = client.confirm(bed.now().wall, otp);
    bed.input_packet(client.conn, &confirm);
    client.receive(bed).unwrap()
}

/// Code and waiting time of an error that is sealed with the reply key.
pub fn refusal(received: &Received) -> (ErrorCode, u32) {
    match received {
        Received::Error(ErrorForm::ReplyKey, reply) => (reply.code, reply.retry_after_secs),
        other => panic!("{other:?}"),
    }
}

/// Another password.
pub fn wrong(otp: &Otp) -> Otp {
    let number: u32 = otp.digits().parse().unwrap();
    Otp::from_number((number + 1) % 1_000_000).unwrap()
}

/// The one password that was handed to the host since the last call.
pub fn delivery(bed: &mut ServerBed) -> OtpDelivery {
    let [delivery] = &bed.take_otps()[..] else { panic!("one password") };
    delivery.clone()
}
