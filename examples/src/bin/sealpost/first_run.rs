//! The questions before there is an account.

use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::str::FromStr;

use sealpost_messenger::api::PhoneNumber;
use sealpost_programs::{Failure, tell};

use crate::args::{AddressOrLink, RegisterArgs};
use crate::home::Home;
use crate::register::register;

/// Asks for what an account needs, and registers it.
pub(crate) fn make_account(home: &Home) -> Result<(), Failure> {
    tell(format_args!("There is no account in {} yet.", home.path().display()))?;
    let args = ask_for_account()?;
    let passphrase: YesOrNo = ask("Encrypt the key on this device with a passphrase? (y/n) ")?;
    let passphrase = matches!(passphrase, YesOrNo::Yes);
    register(home, &RegisterArgs { passphrase, ..args })
}

/// Asks for the server and the phone number of a new account.
pub(crate) fn ask_for_account() -> Result<RegisterArgs, Failure> {
    tell("The operator of your server has its address, or an invitation link for you.")?;
    let server: AddressOrLink = ask("Address or link: ")?;
    let PhoneNumber(phone) = ask("Your phone number, for example +49 151 12345678: ")?;
    Ok(RegisterArgs {
        server: Some(server),
        link_file: None,
        phone,
        have_otp: false,
        passphrase: false,
        timeout: 30,
    })
}

enum YesOrNo {
    Yes,
    No,
}

#[derive(Debug, thiserror::Error)]
#[error("answer y or n")]
struct NeitherYesNorNo;

impl FromStr for YesOrNo {
    type Err = NeitherYesNorNo;

    fn from_str(text: &str) -> Result<Self, NeitherYesNorNo> {
        match text.to_lowercase().as_str() {
            "y" | "yes" => Ok(Self::Yes),
            "n" | "no" => Ok(Self::No),
            _ => Err(NeitherYesNorNo),
        }
    }
}

/// Asks until the answer has the right form.
fn ask<T: FromStr<Err: Display>>(question: &str) -> Result<T, Failure> {
    loop {
        let mut stderr = io::stderr();
        write!(stderr, "{question}")?;
        stderr.flush()?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            tell("")?;
            return Err(Failure::new("no answer: start with sealpost register"));
        }
        match line.trim().parse() {
            Ok(answer) => return Ok(answer),
            Err(error) => tell(error)?,
        }
    }
}
