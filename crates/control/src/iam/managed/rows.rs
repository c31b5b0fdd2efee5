//! What the policies that AWS provides say, a row for each: data alone.
//!
//! Statements about services that are not served stand here where a simulation may ask for them, and are left out where they
//! are long and take nothing away.

/// Path, name, description, and the statements' actions and what they are allowed on.
pub(super) type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const WRITE_LOGS: &str = r#"{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}"#;

const SEND_TRACES: &str = r#"{"Effect":"Allow","Action":["xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"],"Resource":"*"}"#;

const READ_TABLE_STREAMS: &str = r#"{"Effect":"Allow","Action":["dynamodb:DescribeStream","dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:ListStreams"],"Resource":"*"}"#;

const PULL_IMAGES: &str = r#"{"Effect":"Allow","Action":["ecr:GetAuthorizationToken","ecr:BatchCheckLayerAvailability","ecr:GetDownloadUrlForLayer","ecr:GetRepositoryPolicy","ecr:DescribeRepositories","ecr:ListImages","ecr:DescribeImages","ecr:BatchGetImage","ecr:GetLifecyclePolicy","ecr:GetLifecyclePolicyPreview","ecr:ListTagsForResource","ecr:DescribeImageScanFindings"],"Resource":"*"}"#;

/// All of them.
pub(super) const ROWS: &[Row] = &[
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
    ("/", "AWSXRayDaemonWriteAccess", "Lets the X-Ray daemon send traces.", &[SEND_TRACES]),
    ("/", "AWSXrayWriteOnlyAccess", "Sending traces to X-Ray.", &[SEND_TRACES]),
    (
        "/",
        "CloudWatchLambdaInsightsExecutionRolePolicy",
        "Lets the extension of Lambda Insights write its log.",
        &[
            r#"{"Effect":"Allow","Action":"logs:CreateLogGroup","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda-insights:*"}"#,
        ],
    ),
    (
        "/service-role/",
        "AWSLambdaKinesisExecutionRole",
        "Lets functions read Kinesis streams and write their logs.",
        &[
            r#"{"Effect":"Allow","Action":["kinesis:DescribeStream","kinesis:DescribeStreamSummary","kinesis:GetRecords","kinesis:GetShardIterator","kinesis:ListShards","kinesis:ListStreams","kinesis:SubscribeToShard"],"Resource":"*"}"#,
            WRITE_LOGS,
        ],
    ),
    (
        "/service-role/",
        "AWSLambdaDynamoDBExecutionRole",
        "Lets functions read the streams of DynamoDB and write their logs.",
        &[READ_TABLE_STREAMS, WRITE_LOGS],
    ),
    (
        "/service-role/",
        "AWSLambdaMSKExecutionRole",
        "Lets functions read Kafka clusters from their VPC and write their logs.",
        &[
            r#"{"Effect":"Allow","Action":["kafka:DescribeCluster","kafka:DescribeClusterV2","kafka:GetBootstrapBrokers","ec2:CreateNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DescribeVpcs","ec2:DeleteNetworkInterface","ec2:DescribeSubnets","ec2:DescribeSecurityGroups"],"Resource":"*"}"#,
            WRITE_LOGS,
        ],
    ),
    (
        "/service-role/",
        "AWSLambdaENIManagementAccess",
        "Lets functions have network interfaces.",
        &[
            r#"{"Effect":"Allow","Action":["ec2:CreateNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DeleteNetworkInterface","ec2:AssignPrivateIpAddresses","ec2:UnassignPrivateIpAddresses"],"Resource":"*"}"#,
        ],
    ),
    (
        "/",
        "AWSLambdaInvocation-DynamoDB",
        "Reading the streams of DynamoDB and invoking functions.",
        &[r#"{"Effect":"Allow","Action":["lambda:InvokeFunction"],"Resource":"*"}"#, READ_TABLE_STREAMS],
    ),
    (
        "/service-role/",
        "AWSLambdaBasicDurableExecutionRolePolicy",
        "Lets durable functions keep their steps and write their logs.",
        &[
            WRITE_LOGS,
            r#"{"Effect":"Allow","Action":["lambda:CheckpointDurableExecution","lambda:GetDurableExecutionState"],"Resource":"*"}"#,
        ],
    ),
    (
        "/service-role/",
        "AmazonS3ObjectLambdaExecutionRolePolicy",
        "Lets functions answer S3 Object Lambda and write their logs.",
        &[
            WRITE_LOGS,
            r#"{"Effect":"Allow","Action":["s3-object-lambda:WriteGetObjectResponse"],"Resource":"*"}"#,
        ],
    ),
    (
        "/",
        "IAMFullAccess",
        "Full access to IAM.",
        &[
            r#"{"Effect":"Allow","Action":["iam:*","organizations:DescribeAccount","organizations:DescribeOrganization","organizations:DescribeOrganizationalUnit","organizations:DescribePolicy","organizations:ListChildren","organizations:ListParents","organizations:ListPoliciesForTarget","organizations:ListRoots","organizations:ListPolicies","organizations:ListTargetsForPolicy"],"Resource":"*"}"#,
        ],
    ),
    (
        "/",
        "IAMReadOnlyAccess",
        "Reading IAM, and simulations.",
        &[
            r#"{"Effect":"Allow","Action":["iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}"#,
        ],
    ),
    ("/", "AmazonEC2ContainerRegistryReadOnly", "Reading repositories and pulling images.", &[PULL_IMAGES]),
    (
        "/",
        "AmazonEC2ContainerRegistryPowerUser",
        "The same, and pushing images.",
        &[
            PULL_IMAGES,
            r#"{"Effect":"Allow","Action":["ecr:InitiateLayerUpload","ecr:UploadLayerPart","ecr:CompleteLayerUpload","ecr:PutImage"],"Resource":"*"}"#,
        ],
    ),
    (
        "/",
        "AmazonEC2ContainerRegistryFullAccess",
        "Full access to ECR.",
        &[
            r#"{"Effect":"Allow","Action":["ecr:*","cloudtrail:LookupEvents"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":["iam:CreateServiceLinkedRole"],"Resource":"*","Condition":{"StringEquals":{"iam:AWSServiceName":["replication.ecr.amazonaws.com"]}}}"#,
        ],
    ),
    (
        "/",
        "AmazonSNSFullAccess",
        "Full access to SNS.",
        &[r#"{"Effect":"Allow","Action":"sns:*","Resource":"*"}"#],
    ),
    (
        "/",
        "AmazonSNSReadOnlyAccess",
        "Reading SNS.",
        &[
            r#"{"Effect":"Allow","Action":["sns:GetTopicAttributes","sns:List*","sns:CheckIfPhoneNumberIsOptedOut","sns:GetEndpointAttributes","sns:GetDataProtectionPolicy","sns:GetPlatformApplicationAttributes","sns:GetSMSAttributes","sns:GetSMSSandboxAccountStatus","sns:GetSubscriptionAttributes"],"Resource":"*"}"#,
        ],
    ),
    (
        "/",
        "CloudWatchReadOnlyAccess",
        "Reading CloudWatch and its logs.",
        &[
            r#"{"Effect":"Allow","Action":["application-autoscaling:DescribeScalingPolicies","application-signals:BatchGet*","application-signals:Get*","application-signals:List*","autoscaling:Describe*","cloudwatch:BatchGet*","cloudwatch:Describe*","cloudwatch:GenerateQuery","cloudwatch:Get*","cloudwatch:List*","logs:Get*","logs:List*","logs:StartQuery","logs:StopQuery","logs:Describe*","logs:TestMetricFilter","logs:FilterLogEvents","logs:StartLiveTail","logs:StopLiveTail","oam:ListSinks","sns:Get*","sns:List*","rum:BatchGet*","rum:Get*","rum:List*","synthetics:Describe*","synthetics:Get*","synthetics:List*","xray:BatchGet*","xray:Get*","xray:List*","xray:StartTraceRetrieval","xray:CancelTraceRetrieval"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"iam:GetRole","Resource":"arn:aws:iam::*:role/aws-service-role/application-signals.cloudwatch.amazonaws.com/AWSServiceRoleForCloudWatchApplicationSignals"}"#,
        ],
    ),
    (
        "/",
        "CloudWatchFullAccessV2",
        "Full access to CloudWatch and its logs.",
        &[
            r#"{"Effect":"Allow","Action":["application-autoscaling:DescribeScalingPolicies","application-signals:*","autoscaling:DescribeAutoScalingGroups","autoscaling:DescribePolicies","cloudwatch:*","logs:*","sns:CreateTopic","sns:ListSubscriptions","sns:ListSubscriptionsByTopic","sns:ListTopics","sns:Subscribe","iam:GetPolicy","iam:GetPolicyVersion","iam:GetRole","oam:ListSinks","rum:*","synthetics:*","xray:*"],"Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"iam:CreateServiceLinkedRole","Resource":"arn:aws:iam::*:role/aws-service-role/application-signals.cloudwatch.amazonaws.com/AWSServiceRoleForCloudWatchApplicationSignals","Condition":{"StringLike":{"iam:AWSServiceName":"application-signals.cloudwatch.amazonaws.com"}}}"#,
            r#"{"Effect":"Allow","Action":"iam:CreateServiceLinkedRole","Resource":"arn:aws:iam::*:role/aws-service-role/events.amazonaws.com/AWSServiceRoleForCloudWatchEvents*","Condition":{"StringLike":{"iam:AWSServiceName":"events.amazonaws.com"}}}"#,
        ],
    ),
];
