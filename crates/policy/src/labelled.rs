//! Changing a resource's policy statement by statement, each known by its label (`Sid`); all else that stands in it stays.
//!
//! Pure, and in the words of no service: what a statement may say, and what is refused, is each service's matter.

use crate::json::Json;

/// The statements, taken out of the policy: a single one stands there without a list.
pub fn take(policy: &mut Json) -> Vec<Json> {
    match policy.get_mut("Statement").map(|place| std::mem::replace(place, Json::Null)) {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::List(statements)) => statements,
        Some(one) => vec![one],
    }
}

/// The policy with these statements in their place.
#[must_use]
pub fn put(mut policy: Json, statements: Vec<Json>) -> Json {
    let statements = Json::List(statements);
    match policy.get_mut("Statement") {
        Some(place) => *place = statements,
        None => {
            if let Json::Object(members) = &mut policy {
                members.push(("Statement".to_owned(), statements));
            }
        }
    }
    policy
}

/// Whether a statement has this label.
#[must_use]
pub fn is(statement: &Json, label: &str) -> bool {
    statement.get("Sid").and_then(Json::as_str) == Some(label)
}

/// A statement that lets accounts do something to a resource, as AWS writes it for `AddPermission`.
#[must_use]
pub fn grant(label: &str, principals: Vec<Json>, actions: Vec<Json>, resource: &str) -> Json {
    Json::object([
        ("Sid", Json::text(label)),
        ("Effect", Json::text("Allow")),
        ("Principal", Json::object([("AWS", one_or_list(principals))])),
        ("Action", one_or_list(actions)),
        ("Resource", Json::text(resource)),
    ])
}

fn one_or_list(mut items: Vec<Json>) -> Json {
    match (items.len(), items.pop()) {
        (1, Some(one)) => one,
        (_, last) => {
            items.extend(last);
            Json::List(items)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_exchanged_and_all_else_stays() {
        let check = |policy: &str, expect: &str| {
            let mut policy = Json::parse(policy).expect("JSON");
            let mut statements = take(&mut policy);
            statements.retain(|known| !is(known, "a"));
            statements.push(grant("b", vec![Json::text("p")], vec![Json::text("x"), Json::text("y")], "r"));
            assert_eq!(put(policy, statements).to_string(), expect);
        };
        let b = r#"{"Sid":"b","Effect":"Allow","Principal":{"AWS":"p"},"Action":["x","y"],"Resource":"r"}"#;
        check(r#"{"Statement":{"Sid":"a"},"Id":"i"}"#, &format!(r#"{{"Statement":[{b}],"Id":"i"}}"#));
        check(
            r#"{"Id":"i","Statement":[{"Sid":"c"},{"Sid":"a"}]}"#,
            &format!(r#"{{"Id":"i","Statement":[{{"Sid":"c"}},{b}]}}"#),
        );
        check(r#"{"Id":"i"}"#, &format!(r#"{{"Id":"i","Statement":[{b}]}}"#));
    }
}
