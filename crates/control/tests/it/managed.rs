//! The policies that AWS provides: which there are, that each can be attached, and what some of them decide.
//!
//! Decisions are asked of a user to whom one of them is attached, as a service asks them.

use model::iam::User;
use policy::{Document, Kind};

use crate::iam::{authorize, find, home, identity, user_with_key};
use crate::world::World;

/// Those that the Lambda Developer Guide attaches to execution roles, and those that tools attach to users and roles.
const NAMES: &[&str] = &[
    "service-role/AWSLambdaBasicExecutionRole",
    "service-role/AWSLambdaVPCAccessExecutionRole",
    "service-role/AWSLambdaSQSQueueExecutionRole",
    "service-role/AWSLambdaRole",
    "AWSLambda_FullAccess",
    "AWSLambda_ReadOnlyAccess",
    "AdministratorAccess",
    "PowerUserAccess",
    "ReadOnlyAccess",
    "AWSXRayDaemonWriteAccess",
    "AWSXrayWriteOnlyAccess",
    "CloudWatchLambdaInsightsExecutionRolePolicy",
    "service-role/AWSLambdaKinesisExecutionRole",
    "service-role/AWSLambdaDynamoDBExecutionRole",
    "service-role/AWSLambdaMSKExecutionRole",
    "service-role/AWSLambdaENIManagementAccess",
    "AWSLambdaInvocation-DynamoDB",
    "service-role/AWSLambdaBasicDurableExecutionRolePolicy",
    "service-role/AmazonS3ObjectLambdaExecutionRolePolicy",
    "IAMFullAccess",
    "IAMReadOnlyAccess",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEC2ContainerRegistryPowerUser",
    "AmazonEC2ContainerRegistryFullAccess",
    "AmazonSNSFullAccess",
    "AmazonSNSReadOnlyAccess",
    "CloudWatchReadOnlyAccess",
    "CloudWatchFullAccessV2",
];

fn arn(name: &str) -> String {
    format!("arn:aws:iam::aws:policy/{name}")
}

#[tokio::test]
async fn what_tools_attach_is_there_and_decides_as_at_aws() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let key = user_with_key(iam, "ann").await;
    for name in NAMES {
        iam.attach::<User>(home(), "ann", &arn(name)).await.expect(name);
        let version = iam.policy_version(home(), &arn(name), "v1").expect(name);
        assert!(Document::parse(&version.version.document, Kind::Identity).is_ok(), "{name}");
        iam.detach::<User>(home(), "ann", &arn(name)).await.expect(name);
    }
    let role = "arn:aws:iam::000000000000:role/r";
    let insights = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda-insights:log-stream:s";
    let own = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:log-stream:s";
    let repository = "arn:aws:ecr:us-east-1:000000000000:repository/r";
    let topic = "arn:aws:sns:us-east-1:000000000000:t";
    for (name, action, resource, expect) in [
        ("IAMReadOnlyAccess", "iam:GetRole", role, true),
        ("IAMReadOnlyAccess", "iam:CreateRole", role, false),
        ("IAMFullAccess", "iam:CreateRole", role, true),
        ("CloudWatchLambdaInsightsExecutionRolePolicy", "logs:PutLogEvents", insights, true),
        ("CloudWatchLambdaInsightsExecutionRolePolicy", "logs:PutLogEvents", own, false),
        ("service-role/AWSLambdaKinesisExecutionRole", "logs:PutLogEvents", own, true),
        ("AmazonEC2ContainerRegistryReadOnly", "ecr:BatchGetImage", repository, true),
        ("AmazonEC2ContainerRegistryReadOnly", "ecr:PutImage", repository, false),
        ("AmazonEC2ContainerRegistryPowerUser", "ecr:PutImage", repository, true),
        ("AmazonEC2ContainerRegistryPowerUser", "ecr:DeleteRepository", repository, false),
        ("AmazonSNSReadOnlyAccess", "sns:Publish", topic, false),
        ("AmazonSNSFullAccess", "sns:Publish", topic, true),
    ] {
        iam.attach::<User>(home(), "ann", &arn(name)).await.expect(name);
        let ann = find(&identity, &key).expect("ann");
        assert_eq!(authorize(&ann, action, resource).is_ok(), expect, "{name} {action} {resource}");
        iam.detach::<User>(home(), "ann", &arn(name)).await.expect(name);
    }
}
