//! The generated code and the protocol under it, seen through Lambda's operations: routes, reading, violations in
//! AWS's words, answers, and that neither hostile nor random input does more than be refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::check::Refused;
use crate::json::{Structure, from_json, to_json};
use crate::rest_json::{Call, Output, Reply, Request};

/// What a server does with a request, up to the operation.
fn accept(method: &str, path: &str, query: &str, headers: &HeaderMap, body: &[u8]) -> Result<Input, String> {
    let (operation, labels) = route(method, path, query).ok_or("no route")?;
    let request = Request { labels, query, headers, body: &Bytes::copy_from_slice(body) };
    match Input::accept(operation, &request) {
        None => Err(format!("{} is not served", operation.name())),
        Some(Ok(input)) => Ok(input),
        Some(Err(Refused::Malformed(malformed))) => Err(format!("malformed: {malformed}")),
        Some(Err(Refused::Invalid(violations))) => Err(format!("invalid: {violations}")),
    }
}

fn create(body: &str) -> Result<CreateFunctionRequest, String> {
    match accept("POST", "/2015-03-31/functions", "", &HeaderMap::new(), body.as_bytes())? {
        Input::CreateFunction(request) => Ok(request),
        other => panic!("another operation: {other:?}"),
    }
}

/// A legal CreateFunction body with `members` added.
fn body_with(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Code":{{"ZipFile":"UEsFBg=="}}{comma}{members}}}"#
    )
}

fn check_refused(members: &str, message: &str) {
    assert_eq!(create(&body_with(members)).expect_err("refused"), message);
}

#[test]
fn every_operation_is_found_by_its_own_route() {
    for operation in Operation::ALL {
        let http = operation.http();
        let path = http.uri.path(|_| "arn:aws:x/y".to_owned());
        let query: Vec<_> = http.uri.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (found, labels) = route(http.method, &path, &query.join("&")).expect("a route");
        assert_eq!(found, operation);
        if path.contains("%2F") {
            let names =
                ["FunctionName", "LayerName", "Resource", "ResourceArn", "UUID", "CapacityProviderName"];
            let more = ["CodeSigningConfigArn", "DurableExecutionArn", "CallbackId"];
            let label = names.iter().chain(&more).find_map(|name| labels.get(name).expect("UTF-8"));
            assert_eq!(label.as_deref(), Some("arn:aws:x/y"), "{path}");
        }
    }
}

#[test]
fn routes_differ_by_method_query_and_slash() {
    let name = |method, path, query| route(method, path, query).map(|(operation, _)| operation.name());
    assert_eq!(name("GET", "/2015-03-31/functions/", ""), Some("ListFunctions"));
    assert_eq!(name("POST", "/2015-03-31/functions", ""), Some("CreateFunction"));
    assert_eq!(name("GET", "/2018-10-31/layers", ""), Some("ListLayers"));
    assert_eq!(name("GET", "/2018-10-31/layers", "a=b&find=LayerVersion"), Some("GetLayerVersionByArn"));
    let provisioned = "/2019-09-30/functions/f/provisioned-concurrency";
    assert_eq!(name("GET", provisioned, "List=ALL"), Some("ListProvisionedConcurrencyConfigs"));
    assert_eq!(name("GET", provisioned, "Qualifier=1"), Some("GetProvisionedConcurrencyConfig"));
    for unknown in
        ["", "/", "2015-03-31/functions", "/2015-03-31//invocations", "/2015-03-31/functions/a/b/c"]
    {
        assert_eq!(name("GET", unknown, ""), None, "{unknown}");
    }
    assert_eq!(name("PATCH", "/2015-03-31/functions", ""), None);
}

#[test]
fn an_input_is_read_from_all_parts_of_a_request() {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-log-type", HeaderValue::from_static("Tail"));
    headers.insert("x-amz-invocation-type", HeaderValue::from_static("RequestResponse"));
    let path =
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Af/invocations";
    let input = accept("POST", path, "Qualifier=%24LATEST", &headers, b"[1]");
    let expected = InvocationRequest {
        function_name: Some("arn:aws:lambda:eu-west-1:000000000000:function:f".to_owned()),
        qualifier: Some("$LATEST".to_owned()),
        log_type: Some(LogType::Tail),
        invocation_type: Some(InvocationType::RequestResponse),
        payload: Some(Bytes::from_static(b"[1]")),
        ..InvocationRequest::default()
    };
    assert_eq!(input, Ok(Input::Invoke(expected)));
}

#[test]
fn members_in_json() {
    let members = r#""Timeout":3,"Unknown":[{"a":{}}],"Description":null,"Publish":true,"Runtime":"python3.99",
        "Environment":{"Variables":{"AB":"\u00e9"}},"Layers":[]"#;
    let request = create(&body_with(members)).expect("accepted");
    assert_eq!(request.code.expect("set").zip_file.as_deref(), Some(&b"PK\x05\x06"[..]));
    assert_eq!((request.timeout, request.description, request.publish), (Some(3), None, Some(true)));
    assert_eq!(request.runtime, Some(Runtime::Unknown("python3.99".to_owned())));
    let variables = request.environment.and_then(|environment| environment.variables);
    assert_eq!(variables, Some(BTreeMap::from([("AB".to_owned(), "é".to_owned())])));
}

#[test]
fn members_bound_to_the_path_are_not_taken_from_the_body() {
    let path = "/2015-03-31/functions/f/code";
    let input = accept("PUT", path, "", &HeaderMap::new(), br#"{"FunctionName":"other","DryRun":true}"#);
    let Ok(Input::UpdateFunctionCode(request)) = input else { panic!("refused: {input:?}") };
    assert_eq!((request.function_name.as_deref(), request.dry_run), (Some("f"), Some(true)));
}

#[test]
fn wrong_types_are_told_in_aws_words() {
    for (members, message) in [
        (r#""Timeout":"3""#, "STRING_VALUE can not be converted to an Integer"),
        (r#""Timeout":3.5"#, "NUMBER_VALUE can not be converted to an Integer"),
        (r#""Timeout":3000000000"#, "NUMBER_VALUE can not be converted to an Integer"),
        (r#""Description":5"#, "NUMBER_VALUE can not be converted to a String"),
        (r#""Publish":"yes""#, "STRING_VALUE can not be converted to a Boolean"),
        (r#""Handler":true"#, "TRUE_VALUE can not be converted to a String"),
        (r#""Handler":{}"#, "Start of structure or map found where not expected"),
        (r#""Handler":[]"#, "Start of list found where not expected"),
        (r#""VpcConfig":5"#, "Expected null"),
        (r#""Layers":"a""#, "Expected null"),
        (r#""Layers":[null]"#, "a list element is null"),
    ] {
        check_refused(members, &format!("malformed: {message}"));
    }
    let base64 = create(r#"{"Code":{"ZipFile":"not base64!"}}"#).expect_err("refused");
    assert!(base64.starts_with("malformed: STRING_VALUE can not be decoded as Base64"), "{base64}");
    for broken in ["{", "nonsense", r#"{"a":1} x"#, "{\"a\":\"\u{1}\"}"] {
        let message = create(broken).expect_err("refused");
        assert!(message.starts_with("malformed: Could not parse request body into json"), "{message}");
    }
    assert!(create(&"[".repeat(100_000)).is_err());
    assert!(create(&format!("{}{}", r#"{"X":"#, "[".repeat(100_000))).is_err());
    let path = "/2015-03-31/functions";
    let message = accept("GET", path, "MaxItems=many", &HeaderMap::new(), b"");
    assert_eq!(message, Err("malformed: STRING_VALUE can not be converted to an Integer".to_owned()));
}

#[test]
fn violations_are_told_in_aws_words() {
    assert_eq!(create("").expect_err("refused"), create("null").expect_err("refused"));
    assert_eq!(
        create("{}").expect_err("refused"),
        "invalid: 3 validation errors detected: \
         Value null at 'functionName' failed to satisfy constraint: Member must not be null; \
         Value null at 'role' failed to satisfy constraint: Member must not be null; \
         Value null at 'code' failed to satisfy constraint: Member must not be null"
    );
    check_refused(
        r#""MemorySize":64,"Timeout":0"#,
        "invalid: 2 validation errors detected: \
         Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1; \
         Value '64' at 'memorySize' failed to satisfy constraint: \
         Member must have value greater than or equal to 128",
    );
    check_refused(
        r#""PackageType":"Tar""#,
        "invalid: 1 validation error detected: Value 'Tar' at 'packageType' failed to satisfy constraint: \
         Member must satisfy enum value set: [Zip, Image]",
    );
    check_refused(
        r#""Architectures":["x86_64","arm64","mips"]"#,
        "invalid: 2 validation errors detected: \
         Value '[x86_64, arm64, mips]' at 'architectures' failed to satisfy constraint: \
         Member must have length less than or equal to 1; \
         Value '[x86_64, arm64, mips]' at 'architectures' failed to satisfy constraint: \
         Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], \
         Member must not be null]",
    );
    check_refused(
        r#""FileSystemConfigs":[{"Arn":null,"LocalMountPath":"/opt"}]"#,
        "invalid: 2 validation errors detected: \
         Value null at 'fileSystemConfigs.1.member.arn' failed to satisfy constraint: Member must not be null; \
         Value '/opt' at 'fileSystemConfigs.1.member.localMountPath' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: /mnt/[a-zA-Z0-9-_.]+",
    );
    check_refused(
        r#""Tags":{"":"v"}"#,
        "invalid: 1 validation error detected: Value '{=v}' at 'tags' failed to satisfy constraint: \
         Map keys must satisfy constraint: [Member must have length less than or equal to 128, \
         Member must have length greater than or equal to 1, \
         Member must satisfy regular expression pattern: ([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)]",
    );
    let bucket = create(&body_with(r#""Code":{"S3Bucket":"bucket.","S3Key":"k"}"#)).expect_err("refused");
    assert!(bucket.ends_with("at 'code.s3Bucket' failed to satisfy constraint: Member must satisfy regular expression pattern: [0-9A-Za-z\\.\\-_]*(?<!\\.)"), "{bucket}");
}

#[test]
fn sensitive_values_are_neither_echoed_nor_printed() {
    check_refused(
        r#""Environment":{"Variables":{"1hush":"hush"}}"#,
        "invalid: 1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: \
         Map keys must satisfy constraint: [Member must satisfy regular expression pattern: \
         [a-zA-Z]([a-zA-Z0-9_])+]",
    );
    let printed = create(&body_with(r#""Environment":{"Variables":{"HUSH":"hush"}}"#)).expect("accepted");
    let printed = format!("{printed:?}");
    assert!(!printed.to_lowercase().contains("hush") && !printed.contains("PK"), "{printed}");
    let path = "/2015-03-31/functions/f/invocations";
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-client-context", HeaderValue::from_static("hush"));
    let input = accept("POST", path, "", &headers, b"\"hush\"").expect("accepted");
    assert!(!format!("{input:?}").contains("hush"));
}

#[test]
fn messages_stay_small_whatever_is_sent() {
    let long = "é".repeat(1 << 20);
    let message = create(&body_with(&format!(r#""Description":"{long}""#))).expect_err("refused");
    assert!(message.contains("Member must have length less than or equal to 256"));
    let many = vec![format!("\"{long}\""); 5].join(",");
    let list = create(&body_with(&format!(r#""Layers":[{many}]"#))).expect_err("refused");
    assert!(message.len() < 5_000 && list.len() < 5_000);
    let endless =
        create(&body_with(&format!(r#""Layers":[{}""]"#, "\"\",".repeat(30_000)))).expect_err("refused");
    assert_eq!(endless, "malformed: a list has more than 20000 elements");
}

#[test]
fn an_unknown_runtime_is_left_to_the_operation() {
    assert!(create(&body_with(r#""Runtime":"cobol74""#)).is_ok());
    let message = unknown_runtime_message("cobol74");
    assert!(message.starts_with(
        "Value cobol74 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs, "
    ));
    assert!(message.ends_with(", custom] or be a valid ARN"), "{message}");
}

#[test]
fn layers_are_read_from_path_query_and_body() {
    let versions = "/2018-10-31/layers/tools/versions";
    let body =
        br#"{"Content":{"ZipFile":"UEsFBg=="},"CompatibleRuntimes":["python3.12"],"LicenseInfo":"MIT"}"#;
    let expected = PublishLayerVersionRequest {
        layer_name: Some("tools".to_owned()),
        content: Some(LayerVersionContentInput {
            zip_file: Some(Bytes::from_static(b"PK\x05\x06")),
            ..LayerVersionContentInput::default()
        }),
        compatible_runtimes: Some(vec![Runtime::Python3_12]),
        license_info: Some("MIT".to_owned()),
        ..PublishLayerVersionRequest::default()
    };
    let input = accept("POST", versions, "", &HeaderMap::new(), body);
    assert_eq!(input, Ok(Input::PublishLayerVersion(expected)));

    let get = |path: &str, query: &str| accept("GET", path, query, &HeaderMap::new(), b"");
    let (layer_name, version_number) = (Some("tools".to_owned()), Some(7));
    let one =
        Input::GetLayerVersion(GetLayerVersionRequest { layer_name: layer_name.clone(), version_number });
    assert_eq!(get(&format!("{versions}/7"), ""), Ok(one));
    let arn = "arn:aws:lambda:eu-west-1:000000000000:layer:tools:7".to_owned();
    let by_arn = Input::GetLayerVersionByArn(GetLayerVersionByArnRequest { arn: Some(arn.clone()) });
    assert_eq!(get("/2018-10-31/layers", &format!("find=LayerVersion&Arn={arn}")), Ok(by_arn));
    let list = ListLayerVersionsRequest {
        layer_name,
        compatible_runtime: Some(Runtime::Nodejs20X),
        max_items: Some(5),
        ..ListLayerVersionsRequest::default()
    };
    assert_eq!(get(versions, "MaxItems=5&CompatibleRuntime=nodejs20.x"), Ok(Input::ListLayerVersions(list)));

    let message = "malformed: STRING_VALUE can not be converted to a Long";
    assert_eq!(get(&format!("{versions}/latest"), ""), Err(message.to_owned()));
    let refused = get("/2018-10-31/layers", "MaxItems=51&CompatibleRuntime=cobol74").expect_err("refused");
    assert!(
        refused.starts_with(
            "invalid: 2 validation errors detected: Value 'cobol74' at 'compatibleRuntime' failed to satisfy \
             constraint: Member must satisfy enum value set: [nodejs, "
        ) && refused.ends_with(
            "; Value '51' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 50"
        ),
        "{refused}"
    );
    assert_eq!(DeleteLayerVersionRequest::HTTP.status, 204);
}

#[test]
fn every_operation_has_an_input() {
    let nothing = (&HeaderMap::new(), &Bytes::new());
    for operation in Operation::ALL {
        let (_, labels) = route("GET", "/2016-08-19/account-settings", "").expect("a route");
        let request = Request { labels, query: "", headers: nothing.0, body: nothing.1 };
        assert!(Input::accept(operation, &request).is_some(), "{} has none", operation.name());
    }
}

#[test]
fn answers_carry_status_headers_and_body() {
    let configuration = FunctionConfiguration {
        function_name: Some("f\"\n".to_owned()),
        code_size: Some(1 << 40),
        layers: Some(Vec::new()),
        ..FunctionConfiguration::default()
    };
    let reply = configuration.reply(CreateFunctionRequest::HTTP);
    assert_eq!(reply.status, 201);
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(&reply.body[..], br#"{"FunctionName":"f\"\n","CodeSize":1099511627776,"Layers":[]}"#);

    let answer = InvocationResponse {
        status_code: Some(200),
        function_error: Some("Unhandled".to_owned()),
        log_result: Some("bG9n".to_owned()),
        payload: Some(Bytes::from_static(b"{}")),
        executed_version: Some("$LATEST".to_owned()),
        durable_execution_arn: None,
    };
    let reply = answer.reply(InvocationRequest::HTTP);
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"{}"[..]));
    assert_eq!(reply.headers["x-amz-function-error"], "Unhandled");
    assert_eq!(InvocationResponse::read(&reply), Ok(answer));

    let stream = InvokeWithResponseStreamResponse {
        status_code: Some(200),
        executed_version: Some("3".to_owned()),
        response_stream_content_type: None,
    };
    let reply = stream.reply(InvokeWithResponseStreamRequest::HTTP);
    assert_eq!(reply.headers["content-type"], "application/vnd.amazon.eventstream");
    assert_eq!(
        (&reply.headers["x-amz-executed-version"], reply.body.len()),
        (&HeaderValue::from_static("3"), 0)
    );
    let read = InvokeWithResponseStreamResponse::read(&reply).expect("well-formed");
    assert_eq!(read.response_stream_content_type.as_deref(), Some("application/vnd.amazon.eventstream"));

    let deleted = DeleteFunctionResponse { status_code: Some(204) }.reply(DeleteFunctionRequest::HTTP);
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
}

#[test]
fn a_header_cannot_be_split_by_its_value() {
    let answer = InvocationResponse {
        function_error: Some("a\r\nx-evil: 1".to_owned()),
        ..InvocationResponse::default()
    };
    assert!(!answer.reply(InvocationRequest::HTTP).headers.contains_key("x-amz-function-error"));
}

/// What a client writes, a server reads.
fn round_trip<C: Call + PartialEq + std::fmt::Debug>(input: &C) {
    let sent = input.to_request();
    let (_, labels) = route(sent.method, &sent.path, &sent.query).expect("a route");
    let request = Request { labels, query: &sent.query, headers: &sent.headers, body: &sent.body };
    assert_eq!(C::read(&request).as_ref(), Ok(input));
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    // Names that the model knows reach the readers behind them.
    let name = proptest::sample::select(vec![
        "FunctionName",
        "Role",
        "Code",
        "ZipFile",
        "S3Bucket",
        "Timeout",
        "MemorySize",
        "Environment",
        "Variables",
        "Layers",
        "Tags",
        "VpcConfig",
        "SubnetIds",
        "FileSystemConfigs",
        "Arn",
        "LocalMountPath",
        "ImageConfig",
        "Command",
        "Architectures",
        "EphemeralStorage",
        "Size",
        "CapacityProviderConfig",
        "Publish",
        "Runtime",
        "LambdaManagedInstancesCapacityProviderConfig",
        "ExecutionEnvironmentMemoryGiBPerVCpu",
        "DryRun",
        "Other",
    ]);
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|pairs| pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// Reads and writes a structure again: what was read must come back.
fn rewrite<S: Structure + PartialEq + std::fmt::Debug>(text: &[u8]) {
    if let Ok(found) = from_json::<S>(text) {
        assert_eq!(from_json::<S>(&to_json(&found)), Ok(found));
    }
}

proptest! {
    #[test]
    fn no_body_panics_any_operation(json in any_json(), junk in any::<Vec<u8>>(), query in "[ -~]{0,40}") {
        let text = json.to_string();
        for operation in Operation::ALL {
            let http = operation.http();
            let path = http.uri.path(|_| "f".to_owned());
            for body in [text.as_bytes(), &junk] {
                let _ = accept(http.method, &path, &query, &HeaderMap::new(), body);
            }
        }
        rewrite::<CreateFunctionRequest>(text.as_bytes());
        rewrite::<FunctionConfiguration>(text.as_bytes());
    }

    #[test]
    fn no_path_or_header_panics(path in "(/[ -~é]{0,12}){0,6}|\\PC{0,40}", header in any::<Vec<u8>>()) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&header) {
            headers.insert("x-amz-log-type", value.clone());
            headers.insert("x-amz-client-context", value);
        }
        for method in ["GET", "POST", "PUT", "DELETE", ""] {
            let _ = accept(method, &path, "", &headers, b"{}");
        }
        let _ = accept("POST", "/2015-03-31/functions/f/invocations", "", &headers, b"{}");
    }

    #[test]
    fn a_client_and_a_server_agree(
        name in "[ -~é]{1,20}",
        qualifier in proptest::option::of("[ -~é]{0,10}"),
        marker in "[ -~]{0,10}",
        max_items in any::<i32>(),
        payload in proptest::collection::vec(any::<u8>(), 1..50),
        variables in proptest::option::of(proptest::collection::btree_map(".{0,5}", ".{0,5}", 0..4)),
        timeout in any::<Option<i32>>(),
    ) {
        let function_name = Some(name);
        let blob = Some(Bytes::from(payload));
        round_trip(&GetFunctionRequest { function_name: function_name.clone(), qualifier: qualifier.clone() });
        round_trip(&ListFunctionsRequest {
            marker: Some(marker),
            max_items: Some(max_items),
            function_version: Some(FunctionVersion::All),
            master_region: None,
        });
        round_trip(&InvocationRequest {
            function_name: function_name.clone(),
            qualifier,
            log_type: Some(LogType::Tail),
            payload: blob.clone(),
            ..InvocationRequest::default()
        });
        round_trip(&DeleteLayerVersionRequest { layer_name: function_name.clone(), version_number: Some(max_items.into()) });
        round_trip(&UpdateFunctionCodeRequest {
            function_name: function_name.clone(),
            zip_file: blob.clone(),
            ..UpdateFunctionCodeRequest::default()
        });
        round_trip(&CreateFunctionRequest {
            function_name,
            code: Some(FunctionCode { zip_file: blob, ..FunctionCode::default() }),
            environment: Some(Environment { variables }),
            timeout,
            architectures: Some(vec![Architecture::Arm64, Architecture::Unknown("mips".to_owned())]),
            ..CreateFunctionRequest::default()
        });
    }
}

#[test]
fn an_answer_of_bytes_that_are_not_json_is_refused() {
    let reply = Reply { body: Bytes::from_static(b"<html>"), ..Reply::new(GetFunctionRequest::HTTP) };
    assert!(GetFunctionResponse::read(&reply).is_err());
}
