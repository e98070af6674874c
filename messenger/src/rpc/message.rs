//! Requests, answers and notifications as lines of JSON-RPC 2.0.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::{ApiError, ErrorKind};

/// A request of a peer.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    /// What its answer is to carry; `None` if it wants no answer.
    pub(super) id: Option<Value>,
    pub(super) method: String,
    /// An object, or null if there was none.
    pub(super) params: Value,
}

/// A line that is not a request: the id to answer with, and the error.
#[derive(Debug, PartialEq)]
pub(super) struct Invalid {
    pub(super) id: Value,
    pub(super) error: ApiError,
}

/// Reads a request.
pub(super) fn request(line: &[u8]) -> Result<Request, Invalid> {
    let invalid =
        |id: Option<&Value>, error| Invalid { id: id.cloned().unwrap_or_default(), error };
    let value: Value = serde_json::from_slice(line).map_err(|error| {
        invalid(None, ErrorKind::Parse.error(format_args!("not JSON: {error}")))
    })?;
    let mut object = match value {
        Value::Object(object) => object,
        Value::Array(_) => {
            return Err(invalid(None, wrong("batches are not supported: send one request a line")));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(invalid(None, wrong("a request is an object")));
        }
    };
    let id = object.remove("id");
    let known = id.as_ref().filter(|id| id.is_string() || id.is_number());
    if id.is_some() && known.is_none() && id != Some(Value::Null) {
        return Err(invalid(None, wrong("the id of a request is a string or a number")));
    }
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid(known, wrong("a request has \"jsonrpc\": \"2.0\"")));
    }
    let Some(Value::String(method)) = object.remove("method") else {
        return Err(invalid(known, wrong("a request has a method, which is a string")));
    };
    let params = object.remove("params").unwrap_or_default();
    if params.is_array() {
        let error = ErrorKind::InvalidParams.error("parameters are named: pass an object");
        return Err(invalid(known, error));
    }
    Ok(Request { id, method, params })
}

/// The line that answers a request.
pub(super) fn answer(id: &Value, result: &Result<Value, ApiError>) -> String {
    let answer = match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    };
    line(&answer)
}

/// The line of a notification.
pub(super) fn notification(notification: &impl Serialize) -> String {
    let mut object = match serde_json::to_value(notification) {
        Ok(Value::Object(object)) => object,
        // Notifications are objects of our own.
        Ok(_) | Err(_) => Map::new(),
    };
    object.insert("jsonrpc".into(), "2.0".into());
    line(&object)
}

/// The line of a request.
pub(super) fn call(id: u64, method: &str, params: &Value) -> String {
    line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

fn line(object: &impl Serialize) -> String {
    let mut line = serde_json::to_string(object).unwrap_or_default();
    line.push('\n');
    line
}

fn wrong(message: &str) -> ApiError {
    ErrorKind::InvalidRequest.error(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_or_refused_with_their_id() {
        let good =
            request(br#"{"jsonrpc":"2.0","id":7,"method":"send","params":{"a":1}}"#).unwrap();
        assert_eq!(good.id, Some(json!(7)));
        assert_eq!((good.method.as_str(), good.params), ("send", json!({ "a": 1 })));
        let silent = request(br#"{"jsonrpc":"2.0","method":"send"}"#).unwrap();
        assert_eq!((silent.id, silent.params), (None, Value::Null));

        let nested = "[".repeat(100_000);
        for (line, id, kind) in [
            ("", Value::Null, ErrorKind::Parse),
            (r#"{"jsonrpc":"2.0","id":1,"met"#, Value::Null, ErrorKind::Parse),
            (nested.as_str(), Value::Null, ErrorKind::Parse),
            ("[]", Value::Null, ErrorKind::InvalidRequest),
            ("7", Value::Null, ErrorKind::InvalidRequest),
            (r#"{"id":1,"method":"send"}"#, json!(1), ErrorKind::InvalidRequest),
            (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, json!(1), ErrorKind::InvalidRequest),
            (r#"{"jsonrpc":"2.0","id":"x"}"#, json!("x"), ErrorKind::InvalidRequest),
            (r#"{"jsonrpc":"2.0","id":[],"method":"a"}"#, Value::Null, ErrorKind::InvalidRequest),
            (
                r#"{"jsonrpc":"2.0","id":2,"method":"send","params":[1]}"#,
                json!(2),
                ErrorKind::InvalidParams,
            ),
        ] {
            let invalid = request(line.as_bytes()).unwrap_err();
            assert_eq!((invalid.id, invalid.error.kind()), (id, Some(kind)), "{line:.60}");
        }
        assert!(request(b"{\"\xff\":1}").is_err());
    }
}
