//! What the API can ask for and this version cannot give: refused by name, so that nobody believes to have what
//! is not there. Values that mean "none" pass, since tools send them.

use model::error::ServiceError;
use wire::lambda as api;

/// Whether a request asks for something that is not served; the member's name and whether it is asked for.
type Asked = (&'static str, bool);

/// Checks a creation.
///
/// # Errors
/// `InvalidParameterValue` naming the first member that cannot be honoured.
pub fn check_create(input: &api::CreateFunctionRequest) -> Result<(), ServiceError> {
    refuse(&[("PublishTo", input.publish_to.is_some())])
}

/// Checks the content of a layer.
///
/// # Errors
/// As [`check_create`].
pub fn check_layer(content: &api::LayerVersionContentInput) -> Result<(), ServiceError> {
    refuse(&[("Content.S3ObjectStorageMode", is_reference(content.s3_object_storage_mode.as_ref()))])
}

/// Checks new code.
///
/// # Errors
/// As [`check_create`].
pub fn check_update_code(input: &api::UpdateFunctionCodeRequest) -> Result<(), ServiceError> {
    refuse(&[("PublishTo", input.publish_to.is_some())])
}

/// Checks a version to be published.
///
/// # Errors
/// As [`check_create`].
pub fn check_publish(input: &api::PublishVersionRequest) -> Result<(), ServiceError> {
    refuse(&[("PublishTo", input.publish_to.is_some())])
}

/// Checks the version that a scaling configuration is for.
///
/// # Errors
/// As [`check_create`].
pub fn check_published(qualifier: Option<&str>) -> Result<(), ServiceError> {
    refuse(&[("the qualifier $LATEST.PUBLISHED", qualifier == Some("$LATEST.PUBLISHED"))])
}

/// Checks an invocation.
///
/// # Errors
/// As [`check_create`].
pub fn check_invoke(input: &api::InvocationRequest) -> Result<(), ServiceError> {
    refuse(&[("DurableExecutionName", is_text(input.durable_execution_name.as_ref()))])
}

fn refuse(members: &[Asked]) -> Result<(), ServiceError> {
    match members.iter().find(|(_, is_asked)| *is_asked) {
        None => Ok(()),
        Some((name, _)) => Err(ServiceError::InvalidParameterValue(format!(
            "This version of Dormouse does not serve {name} yet. Leave it out to go on without it."
        ))),
    }
}

fn is_text(value: Option<&String>) -> bool {
    value.is_some_and(|text| !text.is_empty())
}

/// Code is always copied out of its bucket.
fn is_reference(value: Option<&api::S3ObjectStorageMode>) -> bool {
    value.is_some_and(|mode| *mode != api::S3ObjectStorageMode::Copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: api::CreateFunctionRequest, expect: Option<&str>) {
        match (check_create(&input), expect) {
            (Ok(()), None) => {}
            (Err(error), Some(name)) => assert!(error.to_string().contains(name), "{error}"),
            (result, expect) => panic!("{result:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn what_is_not_served_is_named() {
        type Input = api::CreateFunctionRequest;
        let publish_to = Some(api::FunctionVersionLatestPublished::LatestPublished);
        check(Input { publish_to, ..Input::default() }, Some("PublishTo"));
    }

    #[test]
    fn values_that_mean_none_pass() {
        let input =
            api::CreateFunctionRequest { publish: Some(true), ..api::CreateFunctionRequest::default() };
        check(input, None);
    }
}
