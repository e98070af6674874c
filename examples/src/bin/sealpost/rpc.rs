//! `sealpost rpc`, and `sealpost call`.

use std::io::{self, BufReader, Write};

use sealpost_messenger::api::{Caller, openrpc};
use sealpost_messenger::rpc::{Output, serve};
use sealpost_programs::{Failure, Line};
use serde_json::Value;

use crate::hands::{Found, Hands, OwnHome, failure};
use crate::home::Home;

/// Speaks JSON-RPC over standard input and output: as the owner of the home, or passed on to it.
pub(crate) fn rpc(home: &Home) -> Result<(), Failure> {
    match Found::at(home)? {
        Found::Owner(greeted) => Ok(greeted.pass_on(io::stdin(), &mut io::stdout())?),
        Found::Own(own, _) => speak(*own),
    }
}

fn speak(own: OwnHome) -> Result<(), Failure> {
    own.engine.connect();
    let (access, notifications) = own.engine.door().open();
    let output = Output::new(io::stdout());
    let stopper = own.engine.stopper();
    let speak = move || {
        let input = BufReader::new(io::stdin());
        let outcome = serve(input, &output, access, notifications, || ());
        stopper.stop();
        outcome
    };
    let speaking = std::thread::Builder::new().name("rpc".into()).spawn(speak)?;
    // A signal ends the engine while the other thread still reads.
    own.engine.wait();
    let outcome = if speaking.is_finished() { speaking.join().ok() } else { None };
    own.finish()?;
    Ok(outcome.unwrap_or(Ok(()))?)
}

/// Calls one method, and prints its result.
pub(crate) fn call(home: &Home, method: &str, params: Option<&str>) -> Result<(), Failure> {
    let params = match params {
        None => Value::Null,
        Some(text) => serde_json::from_str(text).map_err(|error| {
            Failure::usage(format_args!("the parameters are not JSON: {error}"))
        })?,
    };
    let hands = Hands::take(home, |_| Ok(()))?;
    let result = hands.owner.request(method, params);
    hands.finish()?;
    Line::json(&result.map_err(|error| failure(&error))?)
}

/// Prints the document that describes the interface.
pub(crate) fn print_openrpc() -> Result<(), Failure> {
    let document = serde_json::to_string_pretty(&openrpc())?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{document}")
        .and_then(|()| stdout.flush())
        .map_err(Failure::context("can't write to standard output"))
}
