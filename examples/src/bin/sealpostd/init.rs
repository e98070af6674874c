//! Commands before the first start: making a data folder, and the configuration.

use std::fs;

use sealpost_programs::{Failure, Format, Line};
use serde_json::json;

use crate::address::address;
use crate::config::{Config, Layers, show};
use crate::couriers::Couriers;
use crate::data::DataFolder;
use crate::store::{self, Engine, Opened};
use crate::tls::Certificate;

/// Makes a data folder with keys, an empty database, and a configuration file that contains what the
/// environment and the command line have set. With a store in NATS, the deployment takes the place of
/// the database, and a key that is in the folder already stays.
pub(crate) fn init(layers: &Layers, format: Format) -> Result<(), Failure> {
    let settings = layers.settings()?;
    let config = Config::new(&settings)?;
    let data = DataFolder::make(&config.data)?;
    let _lock = data.lock()?;
    let path = data.path().display();
    // A server that joins others gets their key before anything else.
    let joins = config.store.is_some() && data.deployment()?.is_none() && !data.has_database()?;
    if data.is_used()? && !joins {
        return Err(Failure::new(format_args!("{path} is the data folder of a server already")));
    }
    // The file first: what it lacks after a crash would not be noticed.
    let own = layers.file(data.path());
    if own.is_none() {
        data.write_config(&show(&settings.without("data")))?;
    }
    let provider = config.crypto.provider.provider(config.crypto.verify);
    let opened = store::open(&data, &config, &*provider).inspect_err(|_| {
        // Another attempt may have another store, and must not find this one configured.
        if own.is_none() {
            let _ = fs::remove_file(data.config_file());
        }
    });
    let Opened { profile, keys, .. } = opened?;
    let fingerprint = *keys.private.public_key().fingerprint();
    let mut known = None;
    if config.port_is_known() {
        let certificate = Certificate::load(&config.tls)?;
        let address = address(&config, certificate.as_ref(), profile, None, fingerprint)?;
        data.write_address(&address)?;
        known = Some(address.to_string());
    }
    let file = own.unwrap_or_else(|| data.config_file());
    if format == Format::Json {
        return Line::json(&json!({
            "data": data.path().to_string_lossy(),
            "config": file.to_string_lossy(),
            "address": known,
        }));
    }
    Line::text(format_args!("made the data folder {path}"))?;
    if let Some(address) = known {
        Line::text(format_args!("clients register with {address}"))?;
    }
    Line::text(format_args!(
        "next: say in {} how one-time passwords are delivered (otp.route), and start sealpostd \
         with the same --data",
        file.display()
    ))
}

/// Prints the configuration in force.
pub(crate) fn print_config(layers: &Layers) -> Result<(), Failure> {
    let settings = layers.settings()?;
    Config::new(&settings)?;
    show(&settings).lines().try_for_each(Line::text)
}

/// Checks everything that a start checks before it opens the data folder.
pub(crate) fn check_config(layers: &Layers, format: Format) -> Result<(), Failure> {
    let config = Config::new(&layers.settings()?)?;
    Couriers::check(&config.otp)?;
    // Reads the files with secrets, and connects to nothing.
    Engine::of(&config)?;
    let file = layers.file(&config.data);
    if format == Format::Json {
        let file = file.as_ref().map(|file| file.to_string_lossy());
        return Line::json(&json!({ "right": true, "file": file }));
    }
    match file {
        Some(file) => Line::text(format_args!("{} is right", file.display())),
        None => Line::text("the configuration is right; there is no file"),
    }
}
