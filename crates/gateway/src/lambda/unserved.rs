//! What the API can ask for and this version cannot give: refused by name, so that nobody believes to have what
//! is not there. Values that mean "none" pass, since tools send them.

use model::error::ServiceError;
use wire::lambda as api;

use crate::respond::Failure;

/// Whether a request asks for something that is not served; the member's name and whether it is asked for.
type Asked = (&'static str, bool);

/// Checks a creation.
///
/// # Errors
/// `InvalidParameterValue` naming the first member that cannot be honoured.
pub fn check_create(input: &api::CreateFunctionRequest) -> Result<(), ServiceError> {
    let code = input.code.as_ref();
    refuse(&[
        (
            "Code.S3ObjectStorageMode",
            code.is_some_and(|code| is_reference(code.s3_object_storage_mode.as_ref())),
        ),
        ("Code.SourceKMSKeyArn", code.is_some_and(|code| is_text(code.source_kms_key_arn.as_ref()))),
        ("Publish", input.publish == Some(true)),
        ("PublishTo", input.publish_to.is_some()),
        ("VpcConfig", is_vpc(input.vpc_config.as_ref())),
        ("DeadLetterConfig", is_dead_letter(input.dead_letter_config.as_ref())),
        ("KMSKeyArn", is_text(input.kms_key_arn.as_ref())),
        ("FileSystemConfigs.S3FilesConfig", has_s3_files(input.file_system_configs.as_ref())),
        ("CodeSigningConfigArn", is_text(input.code_signing_config_arn.as_ref())),
        ("SnapStart", is_snap_start(input.snap_start.as_ref())),
        ("DurableConfig", input.durable_config.is_some()),
        ("RuntimeConfig", input.runtime_config.is_some()),
        ("AcceleratorConfig", input.accelerator_config.is_some()),
    ])
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
    refuse(&[
        ("S3ObjectStorageMode", is_reference(input.s3_object_storage_mode.as_ref())),
        ("SourceKMSKeyArn", is_text(input.source_kms_key_arn.as_ref())),
        ("Publish", input.publish == Some(true)),
        ("PublishTo", input.publish_to.is_some()),
    ])
}

/// Checks new settings.
///
/// # Errors
/// As [`check_create`].
pub fn check_update_configuration(
    input: &api::UpdateFunctionConfigurationRequest,
) -> Result<(), ServiceError> {
    refuse(&[
        ("VpcConfig", is_vpc(input.vpc_config.as_ref())),
        ("DeadLetterConfig", is_dead_letter(input.dead_letter_config.as_ref())),
        ("KMSKeyArn", is_text(input.kms_key_arn.as_ref())),
        ("FileSystemConfigs.S3FilesConfig", has_s3_files(input.file_system_configs.as_ref())),
        ("SnapStart", is_snap_start(input.snap_start.as_ref())),
        ("DurableConfig", input.durable_config.is_some()),
        ("RuntimeConfig", input.runtime_config.is_some()),
        ("AcceleratorConfig", input.accelerator_config.is_some()),
    ])
}

/// Checks an invocation.
///
/// # Errors
/// `NotServed` for asynchronous invocations; else as [`check_create`].
pub fn check_invoke(input: &api::InvocationRequest) -> Result<(), ServiceError> {
    if input.invocation_type == Some(api::InvocationType::Event) {
        return Err(ServiceError::NotServed(
            "This version of Dormouse does not serve InvocationType=Event yet. Use RequestResponse."
                .to_owned(),
        ));
    }
    refuse(&[("DurableExecutionName", is_text(input.durable_execution_name.as_ref()))])
}

/// Says that an operation is not served.
///
/// # Errors
/// Always: `NotServed`.
pub fn operation<T>(name: &str) -> Result<T, Failure> {
    Err(ServiceError::NotServed(format!("This version of Dormouse does not serve the operation {name} yet."))
        .into())
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

fn is_list<T>(value: Option<&Vec<T>>) -> bool {
    value.is_some_and(|list| !list.is_empty())
}

fn is_vpc(value: Option<&api::VpcConfig>) -> bool {
    value.is_some_and(|vpc| {
        is_list(vpc.subnet_ids.as_ref())
            || is_list(vpc.security_group_ids.as_ref())
            || vpc.ipv6_allowed_for_dual_stack == Some(true)
    })
}

fn is_dead_letter(value: Option<&api::DeadLetterConfig>) -> bool {
    value.is_some_and(|config| is_text(config.target_arn.as_ref()))
}

fn has_s3_files(value: Option<&Vec<api::FileSystemConfig>>) -> bool {
    value.is_some_and(|list| list.iter().any(|mount| mount.s3_files_config.is_some()))
}

/// Code is always copied out of its bucket.
fn is_reference(value: Option<&api::S3ObjectStorageMode>) -> bool {
    value.is_some_and(|mode| *mode != api::S3ObjectStorageMode::Copy)
}

fn is_snap_start(value: Option<&api::SnapStart>) -> bool {
    value.is_some_and(|snap| snap.apply_on.as_ref().is_some_and(|on| *on != api::SnapStartApplyOn::None))
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
        check(Input { publish: Some(true), ..Input::default() }, Some("Publish"));
        let snap_start = api::SnapStart { apply_on: Some(api::SnapStartApplyOn::PublishedVersions) };
        check(Input { snap_start: Some(snap_start), ..Input::default() }, Some("SnapStart"));
        let mode = Some(api::S3ObjectStorageMode::Reference);
        let code = api::FunctionCode { s3_object_storage_mode: mode, ..api::FunctionCode::default() };
        check(Input { code: Some(code), ..Input::default() }, Some("Code.S3ObjectStorageMode"));
    }

    #[test]
    fn values_that_mean_none_pass() {
        let input = api::CreateFunctionRequest {
            publish: Some(false),
            layers: Some(Vec::new()),
            vpc_config: Some(api::VpcConfig {
                subnet_ids: Some(Vec::new()),
                security_group_ids: Some(Vec::new()),
                ipv6_allowed_for_dual_stack: Some(false),
            }),
            dead_letter_config: Some(api::DeadLetterConfig { target_arn: Some(String::new()) }),
            kms_key_arn: Some(String::new()),
            snap_start: Some(api::SnapStart { apply_on: Some(api::SnapStartApplyOn::None) }),
            package_type: Some(api::PackageType::Zip),
            image_config: Some(api::ImageConfig::default()),
            ..api::CreateFunctionRequest::default()
        };
        check(input, None);
    }
}
