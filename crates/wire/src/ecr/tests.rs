//! The JSON protocol and its generated code, seen through ECR's operations: targets, reading, violations in ECR's
//! words, answers and errors, and that neither hostile nor random bodies do more than be refused.

use bytes::Bytes;
use model::error::{ServiceError, ThrottleReason};
use model::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::check::Check;
use crate::error::{ERROR_TYPE, ErrorReply};
use crate::json::{from_json, to_json};
use crate::json_rpc::{Call, Output, TARGET, auth_reply, error_reply};
use crate::sigv4::AuthError;

const PREFIX: &str = "AmazonEC2ContainerRegistry_V20150921";

/// What a server does with a request, up to the operation.
fn accept(operation: &str, body: &str) -> Result<Input, ServiceError> {
    let operation = route(&format!("{PREFIX}.{operation}"))
        .ok_or_else(|| ServiceError::UnknownOperation(operation.to_owned()))?;
    match Input::accept(operation, body.as_bytes()) {
        None => Err(ServiceError::NotServed(operation.name().to_owned())),
        Some(read) => read.map_err(refused),
    }
}

fn check_refused(operation: &str, body: &str, code: &str, message: &str) {
    let error = accept(operation, body).expect_err("refused");
    let reply = error_reply(&SERVICE, &error);
    assert_eq!(reply.status, 400, "{body}");
    assert_eq!(reply.headers["content-type"], "application/x-amz-json-1.1");
    assert_eq!(ErrorReply::read(&reply).code, code, "{body}");
    assert_eq!(error.to_string(), message, "{body}");
}

#[test]
fn every_operation_is_found_by_its_target() {
    for operation in Operation::ALL {
        assert_eq!(route(&operation.rpc().target()), Some(operation));
        assert_eq!(operation.rpc().target(), format!("{PREFIX}.{}", operation.name()));
    }
    for unknown in [
        "",
        PREFIX,
        "CreateRepository",
        "Logs_20140328.CreateRepository",
        &format!("{PREFIX}.createRepository"),
    ] {
        assert_eq!(route(unknown), None, "{unknown}");
    }
    assert!(SERVICE.owns(&format!("{PREFIX}.Nonsense")) && !SERVICE.owns("Logs_20140328.PutLogEvents"));
}

#[test]
fn an_input_is_read_from_the_body() {
    let body = r#"{"repositoryName":"team/app","imageTagMutability":"IMMUTABLE","unknown":[{}],
        "tags":[{"Key":"k","Value":"v"}]}"#;
    let expected = CreateRepositoryRequest {
        repository_name: Some("team/app".to_owned()),
        image_tag_mutability: Some(ImageTagMutability::Immutable),
        tags: Some(vec![Tag { key: Some("k".to_owned()), value: Some("v".to_owned()) }]),
        ..CreateRepositoryRequest::default()
    };
    assert_eq!(accept("CreateRepository", body), Ok(Input::CreateRepository(expected)));
    for nothing in ["", "{}", "null", r#"{"anything":1}"#] {
        let input = Input::DescribeRegistry(DescribeRegistryRequest::default());
        assert_eq!(accept("DescribeRegistry", nothing), Ok(input));
    }
    let part = r#"{"repositoryName":"app","uploadId":"01234567-89ab-cdef-0123-456789abcdef","partFirstByte":0,
        "partLastByte":2,"layerPartBlob":"AAEC"}"#;
    let Ok(Input::UploadLayerPart(part)) = accept("UploadLayerPart", part) else { panic!("refused") };
    assert_eq!(part.layer_part_blob, Some(Bytes::from_static(&[0, 1, 2])));
}

#[test]
fn violations_are_told_in_the_words_of_ecr() {
    let invalid = "InvalidParameterException";
    check_refused(
        "CreateRepository",
        r#"{"repositoryName":"Upper/Case"}"#,
        invalid,
        "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression \
         '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*''",
    );
    check_refused(
        "CreateRepository",
        r#"{"repositoryName":"a"}"#,
        invalid,
        "Invalid parameter at 'repositoryName' failed to satisfy constraint: \
         'must have length greater than or equal to 2'",
    );
    check_refused(
        "BatchGetImage",
        r#"{"repositoryName":"app","imageIds":[]}"#,
        invalid,
        "Invalid parameter at 'imageIds' failed to satisfy constraint: \
         'Member must have length greater than or equal to 1'",
    );
    check_refused(
        "DescribeImages",
        r#"{"repositoryName":"app","imageIds":[{"imageTag":""}],"maxResults":0}"#,
        invalid,
        "Invalid parameter at 'imageIds.1.member.imageTag' failed to satisfy constraint: \
         'Member must have length greater than or equal to 1'",
    );
    let serialization = "SerializationException";
    check_refused("DescribeRegistry", "[]", serialization, "Start of list found where not expected");
    check_refused(
        "ListImages",
        r#"{"repositoryName":1}"#,
        serialization,
        "NUMBER_VALUE can not be converted to a String",
    );
}

#[test]
fn an_operation_that_is_not_served_is_known() {
    let error = accept("PutLifecyclePolicy", "{}").expect_err("refused");
    assert_eq!(error_reply(&SERVICE, &error).status, 501);
    check_refused("Nonsense", "{}", "UnknownOperationException", "Nonsense");
}

#[test]
fn answers_are_documents() {
    let answer = GetAuthorizationTokenResponse {
        authorization_data: Some(vec![AuthorizationData {
            authorization_token: Some("QVdTOmh1c2g=".to_owned()),
            expires_at: Some(Timestamp::from_millis(1_795_000_000_125)),
            proxy_endpoint: Some("http://localhost:4566".to_owned()),
        }]),
    };
    let reply = answer.reply(GetAuthorizationTokenRequest::RPC);
    assert_eq!(
        (reply.status.as_u16(), &reply.headers["content-type"]),
        (200, &"application/x-amz-json-1.1".parse().expect("a value"))
    );
    assert_eq!(
        String::from_utf8_lossy(&reply.body),
        r#"{"authorizationData":[{"authorizationToken":"QVdTOmh1c2g=","expiresAt":1795000000.125,"proxyEndpoint":"http://localhost:4566"}]}"#
    );
    assert_eq!(Output::read(&reply), Ok(answer.clone()));
    assert!(!format!("{answer:?}").contains("QVdT"), "the token lets its holder in");
    let empty = TagResourceResponse::default().reply(TagResourceRequest::RPC);
    assert_eq!(&empty.body[..], b"{}");
    let nothing = ().reply(TagResourceRequest::RPC);
    assert!(nothing.body.is_empty() && nothing.status == 200);
}

#[test]
fn errors_carry_code_and_status_of_the_services_own_table() {
    let check = |error: ServiceError, status: u16, code: &str| {
        let reply = error_reply(&SERVICE, &error);
        assert_eq!(
            (reply.status.as_u16(), &reply.headers[ERROR_TYPE]),
            (status, &code.parse().expect("a value"))
        );
        assert_eq!(String::from_utf8_lossy(&reply.body), format!(r#"{{"__type":"{code}","message":"m"}}"#));
        let read = ErrorReply { status, code: code.to_owned(), message: "m".to_owned() };
        assert_eq!(ErrorReply::read(&reply), read);
    };
    for shape in errors::ALL {
        check(shape.error("m"), if shape.sender_fault { 400 } else { 500 }, shape.code);
    }
    let m = || "m".to_owned();
    let reason = ThrottleReason::CallerRateLimitExceeded;
    check(ServiceError::TooManyRequests { reason, message: m() }, 400, "ThrottlingException");
    check(ServiceError::AccessDenied(m()), 400, "AccessDeniedException");
    check(ServiceError::Validation(m()), 400, "ValidationException");
    check(ServiceError::UnknownOperation(m()), 400, "UnknownOperationException");
    check(ServiceError::Internal(m()), 500, "ServerException");
    check(ServiceError::Unavailable(m()), 503, "ServiceUnavailableException");
    check(ServiceError::Modeled { code: "NotOfThisService", message: m() }, 500, "ServerException");
    let stranger = auth_reply(&SERVICE, &AuthError::UnrecognizedClient);
    assert_eq!(
        (stranger.status.as_u16(), ErrorReply::read(&stranger).code.as_str()),
        (400, "UnrecognizedClientException")
    );
}

/// What a client writes, a server reads.
fn round_trip<C: Call + Check + PartialEq + std::fmt::Debug>(input: &C) {
    let sent = input.to_request();
    assert_eq!((sent.method, sent.path.as_str(), sent.query.as_str()), ("POST", "/", ""));
    let target = sent.headers[TARGET].to_str().expect("text");
    assert_eq!(route(target).map(Operation::name), Some(C::RPC.name));
    assert_eq!(from_json::<C>(&sent.body).as_ref(), Ok(input));
    assert_eq!(sent.headers["content-type"], "application/x-amz-json-1.1");
}

proptest! {
    #[test]
    fn no_body_panics_any_operation(json in "[\\[\\]{}:,\"a-z0-9 ]{0,60}", junk in any::<Vec<u8>>()) {
        for operation in Operation::ALL {
            for body in [json.as_bytes(), &junk] {
                if let Some(Err(fault)) = Input::accept(operation, body) {
                    let _ = error_reply(&SERVICE, &refused(fault));
                }
            }
        }
        let _ = route(&json);
    }

    #[test]
    fn a_client_and_a_server_agree(
        name in proptest::option::of(".{0,20}"),
        digest in proptest::option::of(".{0,20}"),
        blob in any::<Vec<u8>>(),
        first in any::<i64>(),
    ) {
        round_trip(&UploadLayerPartRequest {
            repository_name: name.clone(),
            part_first_byte: Some(first),
            layer_part_blob: Some(blob.into()),
            ..UploadLayerPartRequest::default()
        });
        let image = ImageIdentifier { image_digest: digest, image_tag: name.clone() };
        round_trip(&BatchGetImageRequest {
            repository_name: name,
            image_ids: Some(vec![image.clone(), image]),
            ..BatchGetImageRequest::default()
        });
        let answer = DescribeImagesResponse { next_token: Some(String::new()), ..DescribeImagesResponse::default() };
        prop_assert_eq!(from_json::<DescribeImagesResponse>(&to_json(&answer)), Ok(answer));
    }
}
