//! `sealpost install-service`.

use std::env;
use std::path::{Path, PathBuf};

use sealpost_programs::{Failure, Folder, Line};

use crate::home::Home;
use crate::passphrase::Passphrases;

/// Writes units with which the user's service manager runs `sealpost daemon`, or prints them.
pub(crate) fn install(home: &Home, passphrases: &Passphrases, print: bool) -> Result<(), Failure> {
    home.look_for_account()?;
    let units = Units::of(home, passphrases)?;
    if print {
        for (name, text) in units.files() {
            Line::text(format_args!("# {name}"))?;
            text.lines().try_for_each(Line::text)?;
        }
        return Ok(());
    }
    let folder = Folder::make(&unit_folder()?)?;
    for (name, text) in units.files() {
        folder.write(name, text)?;
        Line::text(format_args!("wrote {}", folder.file(name).display()))?;
    }
    Line::text("Now run:")?;
    Line::text("  systemctl --user daemon-reload")?;
    Line::text(format_args!("  systemctl --user enable --now {SOCKET_UNIT} {SERVICE_UNIT}"))?;
    Line::text("and, to have it run while you are not logged in:")?;
    Line::text("  loginctl enable-linger")
}

struct Units {
    service: String,
    socket: String,
}

impl Units {
    fn of(home: &Home, passphrases: &Passphrases) -> Result<Self, Failure> {
        let program = quoted(&env::current_exe()?)?;
        let folder = absolute(home.path())?;
        let socket = folder.join("socket");
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(Failure::new(format_args!(
                "{} is too long for a socket unit: move the home to a folder with a shorter path",
                socket.display()
            )));
        }
        let passphrase = match passphrases {
            Passphrases::File(file) => {
                format!(" --passphrase-file {}", quoted(&absolute(file)?)?)
            }
            Passphrases::Command(command) => {
                format!(" --passphrase-command {}", quoted(Path::new(command))?)
            }
            Passphrases::Terminal => String::new(),
        };
        let home = quoted(&folder)?;
        let service = format!(
            "[Unit]\nDescription=Sealpost client\nDocumentation=man:sealpost(1)\n\n\
             [Service]\nType=notify\n\
             ExecStart={program} --home {home}{passphrase} daemon\n\
             Restart=on-failure\nRestartSec=5\nUMask=0077\nNoNewPrivileges=yes\n\n\
             [Install]\nWantedBy=default.target\n"
        );
        let socket = format!(
            "[Unit]\nDescription=Socket of the Sealpost client\n\n\
             [Socket]\nListenStream={}\nSocketMode=0600\n\n\
             [Install]\nWantedBy=sockets.target\n",
            specifier_free(&socket)?
        );
        Ok(Self { service, socket })
    }

    fn files(&self) -> [(&str, &str); 2] {
        [(SERVICE_UNIT, self.service.as_str()), (SOCKET_UNIT, self.socket.as_str())]
    }
}

/// Where the user's units are.
fn unit_folder() -> Result<PathBuf, Failure> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CONFIG_HOME")
        .or_else(|| Some(set("HOME")?.join(".config")))
        .map(|folder| folder.join("systemd/user"))
        .ok_or_else(|| Failure::usage("no folder for units: set XDG_CONFIG_HOME or HOME"))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(Failure::context(path.display()))
}

/// A path as one word of a command line in a unit.
fn quoted(path: &Path) -> Result<String, Failure> {
    let text = specifier_free(path)?.replace('\\', r"\\").replace('"', "\\\"");
    Ok(format!("\"{}\"", text.replace('$', "$$")))
}

/// A path in a unit, where a percent sign begins a specifier.
fn specifier_free(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control)).ok_or_else(|| {
        Failure::new(format_args!("{} can't be written into a unit", path.display()))
    })?;
    Ok(text.replace('%', "%%"))
}

const SERVICE_UNIT: &str = "sealpost.service";
const SOCKET_UNIT: &str = "sealpost.socket";
/// Longest path of a socket in bytes.
const SOCKET_PATH_MAX: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_units() {
        let path = Path::new(r#"/a b/100%/"x"/\y/$HOME"#);
        assert_eq!(quoted(path).unwrap(), r#""/a b/100%%/\"x\"/\\y/$$HOME""#);
        assert!(quoted(Path::new("/a\nb")).is_err());
    }
}
