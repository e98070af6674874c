//! Takes the place of `migrate` in a build without the feature `jetstream`.

use sealpost_programs::Failure;

use crate::args::MigrateArgs;
use crate::config::Layers;
use crate::data::DataFolder;

pub(crate) fn run(_: &DataFolder, _: &Layers, _: &MigrateArgs) -> Result<(), Failure> {
    Err(Failure::new(
        "this sealpostd was built without NATS JetStream: build it with its default features, or with \
         --features jetstream",
    ))
}
