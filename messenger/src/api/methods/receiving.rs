//! Receiving: consumers with names, and changes for displays.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Empty, method};

method! {
    /// Begins to send what arrived, as `receive`, to a consumer: everything that it has not
    /// acknowledged, the oldest first, then what arrives. A consumer that is new begins with what
    /// arrives from now on. Another subscription of the same consumer ends, and is told so with
    /// `receiveEnded`.
    SubscribeReceive, "subscribeReceive", SubscribeParams => SubscribeResult
}

method! {
    /// Records that a consumer has dealt with everything up to a place. It does not come again.
    Acknowledge, "acknowledge", AcknowledgeParams => Empty
}

method! {
    /// Ends the subscription of a consumer, and keeps its place.
    UnsubscribeReceive, "unsubscribeReceive", ConsumerParams => Empty
}

method! {
    /// Lists the consumers.
    ListConsumers, "listConsumers", Empty => ConsumersResult
}

method! {
    /// Forgets a consumer and its place.
    RemoveConsumer, "removeConsumer", ConsumerParams => Empty
}

method! {
    /// Begins to send changes of what is shown, as `changed`.
    SubscribeChanges, "subscribeChanges", Empty => Empty
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubscribeParams {
    /// Name of the consumer, 1 to 64 bytes.
    pub consumer: String,
    /// If the consumer is new: begin with the oldest message of the history.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_start: bool,
}

/// A consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsumerParams {
    /// Name of the consumer.
    pub consumer: String,
}

/// A subscription that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeResult {
    /// The place up to which the consumer has acknowledged.
    pub acknowledged: u64,
}

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcknowledgeParams {
    /// Name of the consumer.
    pub consumer: String,
    /// Place of the last `receive` that it has dealt with.
    pub up_to: u64,
}

/// The consumers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsumersResult {
    /// The consumers, by name.
    pub consumers: Vec<Consumer>,
}

/// A consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// The place up to which it has acknowledged.
    pub acknowledged: u64,
    /// Count of what has arrived behind that place. Not all of it is for consumers: what groups and files
    /// tell each other is not.
    pub waiting: u64,
}
