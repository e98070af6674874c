//! `sealpost listen`.

use sealpost_core::client::Command;
use sealpost_mio::SignalHandling;
use sealpost_programs::{Failure, tell};

use crate::args::ListenArgs;
use crate::events::{Event, Names};
use crate::home::{Home, require_account};
use crate::session::{Output, Session, Waited, deadline_in};

/// Prints messages and notices until the requested count or time is reached.
pub(crate) fn listen(home: &Home, args: &ListenArgs) -> Result<(), Failure> {
    let account = home.open()?;
    require_account(&account.snapshot)?;
    let mut names = Names::new(home.look()?);
    let session = Session::start(account, SignalHandling::Stop)?;
    session.command(Command::Connect);
    let outcome = print_all(&session, args, &mut names);
    session.finish()?;
    outcome
}

fn print_all(session: &Session, args: &ListenArgs, names: &mut Names) -> Result<(), Failure> {
    let format = args.format.format();
    let deadline = args.seconds.and_then(deadline_in);
    let mut shown = 0;
    while args.count.is_none_or(|count| shown < count) {
        match session.wait(deadline) {
            Waited::Output(Output::Message(item)) => {
                for event in Event::of_message(&item) {
                    event.print(format)?;
                }
                // Only after printing: a message that was not printed is delivered again the next
                // time.
                session.command(Command::MarkShown { up_to: item.place });
                shown += 1;
            }
            Waited::Output(Output::Notice(notice)) => {
                if let Some(event) = Event::of_notice(&notice, names) {
                    event.print(format)?;
                }
                if let Some(failure) = session.given_up(&notice) {
                    return Err(failure);
                }
            }
            Waited::Output(Output::Unreachable(reason)) => {
                let line = format!("the server can't be reached: {reason}");
                if session.note_unreachable(reason) {
                    tell(line)?;
                }
            }
            Waited::Stopped => return Ok(()),
            Waited::TimedOut => {
                return match args.count {
                    Some(count) => Err(Failure::new(format_args!(
                        "{shown} of {count} messages arrived in time"
                    ))),
                    None => Ok(()),
                };
            }
        }
    }
    Ok(())
}
