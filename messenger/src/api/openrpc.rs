//! The `OpenRPC` document, which describes the interface for programs. It is made from the types.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{API_VERSION, ErrorKind, METHODS, Notification};

/// The `OpenRPC` document.
pub fn openrpc() -> Value {
    let mut schemas = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let methods: Vec<Value> = METHODS
        .iter()
        .map(|method| {
            json!({
                "name": method.name,
                "summary": method.about.trim(),
                "paramStructure": "by-name",
                "params": params((method.params)(&mut schemas).as_value()),
                "result": { "name": "result", "schema": (method.result)(&mut schemas) },
                "errors": [],
            })
        })
        .collect();
    let notifications = schemas.subschema_for::<Notification>();
    let errors: Map<String, Value> = ErrorKind::ALL
        .iter()
        .map(|kind| {
            let about = json!({
                "code": kind.code(),
                "exitStatus": kind.exit_status(),
                "message": kind.about().trim(),
            });
            (format!("{kind:?}"), about)
        })
        .collect();
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "Sealpost",
            "description": "A Sealpost client. JSON-RPC 2.0, one object a line.",
            "version": API_VERSION.to_string(),
        },
        "methods": methods,
        "x-notifications": notifications,
        "components": { "schemas": definitions(&mut schemas), "errors": errors },
    })
}

/// The parameters of a method, one by one, from the schema of the object that has them all.
fn params(object: &Value) -> Vec<Value> {
    let required = |name: &str| {
        let names = object.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let properties = object.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| json!({ "name": name, "required": required(name), "schema": schema }))
        .collect()
}

fn definitions(schemas: &mut SchemaGenerator) -> Value {
    schemas.take_definitions(true).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_names_every_method_once_with_its_parameters() {
        let document = openrpc();
        let methods = document["methods"].as_array().unwrap();
        let mut names: Vec<_> = methods.iter().map(|method| method["name"].as_str()).collect();
        assert_eq!(names.len(), METHODS.len());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METHODS.len());
        let send = methods.iter().find(|method| method["name"] == "send").unwrap();
        assert_eq!(send["summary"], "Sends a message.");
        let required: Vec<_> = send["params"].as_array().unwrap().iter().collect();
        let required = required.iter().filter(|param| param["required"] == true);
        assert_eq!(required.map(|param| &param["name"]).collect::<Vec<_>>(), ["recipient"]);
    }
}
