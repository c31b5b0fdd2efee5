//! The policies that AWS provides and that tools attach by their well-known ARNs, as far as Lambda needs them.
//!
//! They belong to no account and never change. What they allow follows the AWS Managed Policy Reference Guide; actions
//! of services that are not served here are left out where that takes nothing away.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use model::iam::{Entity, Policy, PolicyVersion};
use model::id::AccountId;
use model::time::Timestamp;
use sha2::{Digest, Sha256};

use super::id::base32;

/// 6 February 2015, when managed policies came.
const CREATED: Timestamp = Timestamp::from_millis(1_423_181_700_000);

/// Path, name, description, and the statements' actions and what they are allowed on.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const WRITE_LOGS: &str = r#"{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#;

const ROWS: &[Row] = &[
    ("/service-role/", "AWSLambdaBasicExecutionRole", "Lets functions write their logs.", &[WRITE_LOGS]),
    (
        "/service-role/",
        "AWSLambdaVPCAccessExecutionRole",
        "Lets functions in a VPC write their logs and have network interfaces.",
        &[
            WRITE_LOGS,
            r#"{"Effect":"Allow","Action":["ec2:CreateNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DescribeSubnets","ec2:DeleteNetworkInterface","ec2:AssignPrivateIpAddresses","ec2:UnassignPrivateIpAddresses"],"Resource":"*"}"#,
        ],
    ),
    (
        "/service-role/",
        "AWSLambdaSQSQueueExecutionRole",
        "Lets functions read queues and write their logs.",
        &[
            r#"{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes"],"Resource":"*"}"#,
            WRITE_LOGS,
        ],
    ),
    (
        "/service-role/",
        "AWSLambdaRole",
        "Lets services invoke functions.",
        &[r#"{"Effect":"Allow","Action":["lambda:InvokeFunction"],"Resource":["*"]}"#],
    ),
    (
        "/",
        "AWSLambda_FullAccess",
        "Full access to Lambda, and what its console needs.",
        &[
            r#"{"Effect":"Allow","Action":["cloudformation:DescribeStacks","cloudformation:ListStackResources","cloudwatch:ListMetrics","cloudwatch:GetMetricData","ec2:DescribeSecurityGroups","ec2:DescribeSubnets","ec2:DescribeVpcs","kms:ListAliases","iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","iam:ListRolePolicies","iam:ListRoles","lambda:*","logs:DescribeLogGroups","states:DescribeStateMachine","states:ListStateMachines","tag:GetResources","xray:GetTraceSummaries","xray:BatchGetTraces"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}}"#,
            r#"{"Effect":"Allow","Action":["logs:DescribeLogStreams","logs:GetLogEvents","logs:FilterLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"}"#,
        ],
    ),
    (
        "/",
        "AWSLambda_ReadOnlyAccess",
        "Reading Lambda, and what its console needs.",
        &[
            r#"{"Effect":"Allow","Action":["cloudformation:DescribeStacks","cloudformation:ListStackResources","cloudwatch:GetMetricData","cloudwatch:ListMetrics","ec2:DescribeSecurityGroups","ec2:DescribeSubnets","ec2:DescribeVpcs","kms:ListAliases","iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","iam:ListRolePolicies","iam:ListRoles","logs:DescribeLogGroups","lambda:Get*","lambda:List*","states:DescribeStateMachine","states:ListStateMachines","tag:GetResources","xray:GetTraceSummaries","xray:BatchGetTraces"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":["logs:DescribeLogStreams","logs:GetLogEvents","logs:FilterLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"}"#,
        ],
    ),
    ("/", "AdministratorAccess", "Everything.", &[r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#]),
    (
        "/",
        "PowerUserAccess",
        "Everything but the management of identities.",
        &[
            r#"{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":["account:GetAccountInformation","account:GetPrimaryEmail","account:ListRegions","iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}"#,
        ],
    ),
    (
        "/",
        "ReadOnlyAccess",
        "Reading all services.",
        &[
            r#"{"Effect":"Allow","Action":["cloudwatch:Describe*","cloudwatch:Get*","cloudwatch:List*","dynamodb:BatchGet*","dynamodb:Describe*","dynamodb:Get*","dynamodb:List*","dynamodb:PartiQLSelect","dynamodb:Query","dynamodb:Scan","ecr:BatchCheck*","ecr:BatchGet*","ecr:Describe*","ecr:Get*","ecr:List*","events:Describe*","events:List*","events:Test*","iam:Generate*","iam:Get*","iam:List*","iam:Simulate*","kinesis:Describe*","kinesis:Get*","kinesis:List*","lambda:Get*","lambda:List*","logs:Describe*","logs:FilterLogEvents","logs:Get*","logs:ListTagsLogGroup","logs:StartQuery","logs:StopQuery","s3:DescribeJob","s3:Get*","s3:List*","scheduler:Get*","scheduler:List*","sns:Check*","sns:Get*","sns:List*","sqs:Get*","sqs:List*","sqs:Receive*","states:Describe*","states:Get*","states:List*","sts:GetAccessKeyInfo","sts:GetCallerIdentity","sts:GetSessionToken","tag:Get*","xray:BatchGet*","xray:Get*"],"Resource":"*"}"#,
        ],
    ),
    (
        "/",
        "AmazonS3FullAccess",
        "Full access to S3.",
        &[r#"{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}"#],
    ),
    (
        "/",
        "AmazonS3ReadOnlyAccess",
        "Reading S3.",
        &[
            r#"{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}"#,
        ],
    ),
    (
        "/",
        "AmazonSQSFullAccess",
        "Full access to SQS.",
        &[r#"{"Effect":"Allow","Action":["sqs:*"],"Resource":"*"}"#],
    ),
    (
        "/",
        "AmazonDynamoDBFullAccess",
        "Full access to DynamoDB.",
        &[r#"{"Effect":"Allow","Action":["dynamodb:*","dax:*"],"Resource":"*"}"#],
    ),
    (
        "/",
        "CloudWatchLogsFullAccess",
        "Full access to CloudWatch Logs.",
        &[r#"{"Effect":"Allow","Action":["logs:*","cloudwatch:GenerateQuery"],"Resource":"*"}"#],
    ),
];

static ALL: LazyLock<BTreeMap<String, Arc<Policy>>> = LazyLock::new(|| {
    let policy = |row: &Row| {
        let arn = format!("arn:aws:iam::aws:policy{}{}", row.0, row.1);
        let policy = Arc::new(policy(row, &arn));
        (arn, policy)
    };
    ROWS.iter().map(policy).collect()
});

/// All by their ARNs.
pub(super) fn all() -> &'static BTreeMap<String, Arc<Policy>> {
    &ALL
}

/// The one with this ARN.
pub(super) fn find(arn: &str) -> Option<Arc<Policy>> {
    ALL.get(arn).cloned()
}

fn policy((path, name, description, statements): &Row, arn: &str) -> Policy {
    let hash = Sha256::digest(arn.as_bytes());
    let bits = hash.iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let document = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    Policy {
        entity: Entity {
            // Never shown: the ARN of a built-in policy names no account.
            account: AccountId::DEFAULT,
            name: (*name).to_owned(),
            path: (*path).to_owned(),
            id: format!("ANPA{}", base32(bits, 17)),
            created: CREATED,
            tags: BTreeMap::new(),
        },
        description: Some((*description).to_owned()),
        updated: CREATED,
        versions: BTreeMap::from([(1, PolicyVersion { document, created: CREATED })]),
        default_version: 1,
        last_version: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Document, Kind};

    #[test]
    fn every_built_in_policy_is_one() {
        assert_eq!(all().len(), ROWS.len());
        for (arn, policy) in all() {
            assert!(Document::parse(policy.document(), Kind::Identity).is_ok(), "{arn}");
        }
        assert!(find("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole").is_some());
        assert!(find("arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole").is_none());
    }
}
