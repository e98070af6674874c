//! `sealpost rpc`.

use std::io::{self, Write};

use sealpost_messenger::api::openrpc;
use sealpost_programs::Failure;

use crate::hands::OwnHome;
use crate::home::Home;

/// Speaks JSON-RPC over standard input and output: as the owner of the home, or passed on to it.
pub(crate) fn rpc(home: &Home) -> Result<(), Failure> {
    let mut key = None;
    if let Some(stream) = home.connect()? {
        return pass_on(stream);
    }
    let Some((own, _)) = OwnHome::take(home, &mut key)? else { return Err(home.in_use()) };
    let (access, notifications) = own.engine.door().open();
    own.engine.connect();
    let output = sealpost_messenger::rpc::Output::new(io::stdout());
    let stopper = own.engine.stopper();
    let served = sealpost_messenger::rpc::serve(
        io::stdin().lock(),
        &output,
        access,
        notifications,
        move || stopper.stop(),
    );
    own.finish()?;
    Ok(served?)
}

/// Passes lines on in both directions.
fn pass_on(stream: std::os::unix::net::UnixStream) -> Result<(), Failure> {
    let mut out = stream.try_clone()?;
    std::thread::spawn(move || {
        // The other direction tells what went wrong.
        let _ = io::copy(&mut io::stdin().lock(), &mut out);
        let _ = out.shutdown(std::net::Shutdown::Write);
    });
    io::copy(&mut &stream, &mut io::stdout())?;
    Ok(())
}

/// Prints the document that describes the interface.
pub(crate) fn print_openrpc() -> Result<(), Failure> {
    let document = serde_json::to_string_pretty(&openrpc())?;
    writeln!(io::stdout(), "{document}").map_err(Failure::context("can't write to standard output"))
}
