//! A JSON Schema validator for tests: of the library's output, and of the program's.

use serde_json::{Map, Value};

/// Whether `value` is what `schema` says.
pub fn validate(value: &Value, schema: &str) -> Result<(), String> {
    let schema: Value = serde_json::from_str(schema).unwrap();
    check(value, schema.as_object().unwrap(), &schema, "$")
}

/// A validator for the part of JSON Schema that `schema.json` uses; anything else in it is an error. Stricter than the standard in one
/// way: a field that the schema does not know is an error too.
fn check(value: &Value, schema: &Map<String, Value>, root: &Value, at: &str) -> Result<(), String> {
    let object = |value: &'_ Value| value.as_object().unwrap().clone();
    for (keyword, rule) in schema {
        let good = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "required" | "properties" | "additionalProperties" => true,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
                check(value, &object(target), root, at)?;
                true
            }
            "oneOf" => {
                let fits: Vec<_> = rule.as_array().unwrap().iter().map(|one| check(value, &object(one), root, at)).collect();
                if fits.iter().filter(|fit| fit.is_ok()).count() != 1 {
                    return Err(format!("{at}: {fits:?}"));
                }
                true
            }
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => {
                let types: Vec<&str> = rule
                    .as_array()
                    .map_or_else(|| vec![rule.as_str().unwrap()], |all| all.iter().map(|one| one.as_str().unwrap()).collect());
                types.iter().any(|typ| match *typ {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "number" => value.is_number(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                })
            }
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "minItems" => value.as_array().unwrap().len() as u64 >= rule.as_u64().unwrap(),
            "items" => {
                for (place, item) in value.as_array().unwrap().iter().enumerate() {
                    check(item, &object(rule), root, &format!("{at}[{place}]"))?;
                }
                true
            }
            "pattern" => matches_pattern(value.as_str().unwrap(), rule.as_str().unwrap()),
            other => panic!("the validator does not know {other}"),
        };
        if !good {
            return Err(format!("{at}: {value} is not {keyword} {rule}"));
        }
    }
    let Some(fields) = value.as_object() else { return Ok(()) };
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !fields.contains_key(name.as_str().unwrap()) {
            return Err(format!("{at}: {name} is missing"));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, field) in fields {
        let at = format!("{at}.{name}");
        match (properties.and_then(|known| known.get(name)), schema.get("additionalProperties")) {
            (Some(known), _) | (None, Some(known)) => check(field, &object(known), root, &at)?,
            (None, None) if properties.is_some() => return Err(format!("{at}: not in the schema")),
            (None, None) => {}
        }
    }
    Ok(())
}

fn matches_pattern(text: &str, pattern: &str) -> bool {
    match pattern {
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$" => {
            text.len() == 30 && text.replace(|c: char| c.is_ascii_digit(), "0") == "0000-00-00T00:00:00.000000000Z"
        }
        "^[a-z0-9]+(-[a-z0-9]+)*$" => {
            text.split('-').all(|part| !part.is_empty() && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
        }
        other => panic!("pattern {other}"),
    }
}
