//! The fast provider.
pub struct AwsLc;
