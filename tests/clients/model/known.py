"""What a caller of Lambda would write: names of a small pool, so that requests meet, and values beyond the model's
grammar without which hardly anything would be accepted (roles, packages, event sources).

Now and then nothing is said, and the value comes from the model alone.
"""

import json

#: A server's own account.
ACCOUNT = "000000000000"
SURPRISE = 0.06
NAMES = [f"f{number}" for number in range(8)]
ALIASES = ["live", "next", "a-1", "B_2"]
STATEMENTS = [f"s{number}" for number in range(5)]
LAYERS = [f"l{number}" for number in range(3)]
PROVIDERS = [f"p{number}" for number in range(3)]
#: Members that are given less often, since most values of them refuse the whole request.
SELDOM = {
    "RevisionId", "CodeSha256", "PublishTo", "Marker", "KMSKeyArn", "KmsKeyArn", "SourceKMSKeyArn", "FileSystemConfigs",
    "ImageConfig", "PackageType", "RuntimeConfig", "AcceleratorConfig", "CapacityProviderConfig", "TenancyConfig",
    "DurableConfig", "SnapStart", "CodeSigningConfigArn", "S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode",
    "ImageUri", "Topics", "Queues", "SourceAccessConfigurations", "SelfManagedEventSource", "StartingPosition",
    "AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig",
    "ProvisionedPollerConfig", "StartingPositionTimestamp", "TumblingWindowInSeconds", "ParallelizationFactor",
    "DurableExecutionName", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "TenantId", "MasterRegion",
    "FunctionUrlAuthType", "PrincipalOrgID", "EventSourceToken", "InvokedViaFunctionUrl", "DryRun",
}  # fmt: skip
SELDOM_FACTOR = 0.15
#: Optional by the model alone.
NEEDED = {
    "CreateFunction": {"Runtime", "Handler"},
    "CreateEventSourceMapping": {"EventSourceArn", "StartingPosition"},
    "UpdateFunctionCode": {"ZipFile"},
    "PutFunctionScalingConfig": {"FunctionScalingConfig"},
}


#: What an operation is about, by the words in its name; the first that fits.
ABOUT = (
    ("RemoveLayerVersionPermission", "layer_statement"), ("RemovePermission", "statement"), ("UpdateAlias", "alias"),
    ("DeleteAlias", "alias"), ("GetAlias", "alias"), ("LayerVersion", "layer"), ("ProvisionedConcurrency", "provisioned"),
    ("EventInvokeConfig", "event_invoke"), ("UrlConfig", "url"), ("GetPolicy", "statement"),
)  # fmt: skip


class Known:
    """Gives values; `world` tells what exists."""

    def __init__(self, random, world, runtime, package):
        self.random = random
        self.world = world
        self.region, self.account = world.region, world.account
        self.runtime = runtime
        self.package = package
        #: How often nothing is said.
        self.surprise = SURPRISE
        #: The key of what the request is about, where that exists.
        self.about = ()
        self.marker = ""
        self.revision = ""

    def begin(self, operation):
        """Called before the values of a request: mostly they are about one thing that exists."""
        kind = next((kind for word, kind in ABOUT if word in operation), None)
        creates = operation.startswith(("Create", "Put", "Publish", "Add"))
        self.about = self._of(kind, ()) if kind and not creates and self.random.random() < 0.6 else ()

    def wants(self, operation, name, likelihood):
        """Whether an optional member is given."""
        if name == "Qualifier" and self.about[1:]:
            return bool(self.about[1]) and self.about[1] != "$LATEST"
        if name in NEEDED.get(operation, ()):
            return self.random.random() >= self.surprise
        return self.random.random() < likelihood * (SELDOM_FACTOR if name in SELDOM else 1)

    def __call__(self, operation, name, shape):
        if self.random.random() < self.surprise:
            return None
        made = getattr(self, f"{operation}_{name}", None) or getattr(self, name, None)
        return made() if made and name[:1].isupper() else None

    def _arn(self, rest):
        return f"arn:aws:lambda:{self.region}:{self.account}:{rest}"

    def _of(self, kind, otherwise):
        """The key of something of this kind that exists, mostly."""
        keys = sorted((key for found, key in self.world.answers if found == kind), key=repr)
        return self.random.choice(keys) if keys and self.random.random() < 0.9 else otherwise

    def _function(self):
        return self._of("function", (self.random.choice(NAMES),))[0]

    # Functions.

    def FunctionName(self):
        if self.about:
            return self.about[0]
        name = self._function()
        forms = [name] * 12 + [self._arn(f"function:{name}"), f"{self.account}:function:{name}", f"{name}:{self.Qualifier()}"]
        return self.random.choice(forms)

    def CreateFunction_FunctionName(self):
        return self.random.choice(NAMES)

    def CreateFunction_Runtime(self):
        return self.runtime

    Runtime = CreateFunction_Runtime

    def Role(self):
        return f"arn:aws:iam::{self.account}:role/model"

    def Handler(self):
        return "app.handler"

    def Code(self):
        return {"ZipFile": self.package}

    def ZipFile(self):
        return self.package

    def Content(self):
        return {"ZipFile": self.package}

    def Timeout(self):
        return self.random.choice([1, 3, 900])

    def MemorySize(self):
        return self.random.choice([128, 256])

    def Architectures(self):
        return ["x86_64"]

    def EphemeralStorage(self):
        return {"Size": 512}

    def Environment(self):
        return {"Variables": {self.random.choice(["NAME", "OTHER"]): self.random.choice(["", "value", "ü"])}}

    def VpcConfig(self):
        return {"SubnetIds": ["subnet-0a"], "SecurityGroupIds": ["sg-0a"]}

    def DeadLetterConfig(self):
        return {"TargetArn": f"arn:aws:sqs:{self.region}:{self.account}:dead"}

    def Destination(self):
        return f"arn:aws:sqs:{self.region}:{self.account}:{self.random.choice(['done', 'failed'])}"

    def Layers(self):
        found = self._of("layer", None)
        return [self._arn(f"layer:{found[0]}:{found[1]}")] if found else []

    def KMSKeyArn(self):
        return f"arn:aws:kms:{self.region}:{self.account}:key/0a"

    KmsKeyArn = KMSKeyArn

    def InvocationType(self):
        return "DryRun"

    def Payload(self):
        return {"a": 1}

    InvokeArgs = Payload

    def RevisionId(self):
        return self.revision or None

    # Versions, aliases, and what stands on them.

    def Qualifier(self):
        if self.about[1:] and self.about[1]:
            return self.about[1]
        name = self.random.choice(["version", "alias"])
        return self.random.choice(["$LATEST", self._of(name, ("", "live"))[1], self._of(name, ("", "1"))[1]])

    def FunctionVersion(self):
        return self.random.choice(["$LATEST", self._of("version", ("", "1"))[1], self._of("version", ("", "1"))[1]])

    def ListFunctions_FunctionVersion(self):
        return "ALL"

    def Name(self):
        if self.about:
            return self.about[1]
        return self.random.choice(ALIASES)

    def RoutingConfig(self):
        return {"AdditionalVersionWeights": {self._of("version", ("", "1"))[1]: self.random.choice([0.0, 0.5])}}

    def ReservedConcurrentExecutions(self):
        return self.random.choice([0, 1, 5, 10_000])

    def ProvisionedConcurrentExecutions(self):
        return self.random.choice([1, 10_000])

    def Cors(self):
        return {"AllowOrigins": ["https://example.com"], "AllowMethods": ["GET"], "MaxAge": 60}

    # Policies.

    def StatementId(self):
        if self.about[2:]:
            return self.about[2]
        return self.random.choice(STATEMENTS)

    def Action(self):
        return "lambda:InvokeFunction"

    def AddLayerVersionPermission_Action(self):
        return "lambda:GetLayerVersion"

    def Principal(self):
        return self.random.choice(["s3.amazonaws.com", "123456789012"])

    def AddLayerVersionPermission_Principal(self):
        return self.random.choice(["*", "123456789012"])

    def AddLayerVersionPermission_OrganizationId(self):
        return ""

    def ResourceArn(self):
        return self._arn(f"function:{self._function()}")

    def Policy(self):
        statement = {
            "Sid": self.random.choice(STATEMENTS),
            "Effect": "Allow",
            "Principal": {"AWS": "123456789012"},
            "Action": "lambda:InvokeFunction",
            "Resource": self.ResourceArn(),
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    # Layers, code signing, capacity providers, tags.

    def LayerName(self):
        if self.about:
            return self.about[0]
        return self._of("layer", (self.random.choice(LAYERS),))[0]

    def PublishLayerVersion_LayerName(self):
        return self.random.choice(LAYERS)

    def VersionNumber(self):
        if self.about:
            return int(self.about[1])
        return int(self._of("layer", ("", "1"))[1])

    def Arn(self):
        return self._arn("layer:{}:{}".format(*self._of("layer", ("l0", "1"))))

    def CompatibleRuntimes(self):
        return [self.runtime]

    def CompatibleRuntime(self):
        return self.runtime

    def CodeSigningConfigArn(self):
        return self._of("signing", (self._arn(f"code-signing-config:csc-{'0' * 17}"),))[0]

    def AllowedPublishers(self):
        return {"SigningProfileVersionArns": [f"arn:aws:signer:{self.region}:{self.account}:/signing-profiles/Own/0123456789"]}

    def CapacityProviderName(self):
        return self.random.choice(PROVIDERS)

    def PermissionsConfig(self):
        return {"CapacityProviderOperatorRoleArn": self.Role()}

    def InstanceRequirements(self):
        return {"Architectures": ["x86_64"]}

    def CapacityProviderScalingConfig(self):
        return {"ScalingMode": "Auto", "MaxVCpuCount": 12}

    def Resource(self):
        forms = [self._arn(f"function:{self._function()}")] * 3
        forms.append(self.CodeSigningConfigArn())
        forms.append(self._arn(f"event-source-mapping:{self.UUID()}"))
        forms.append(self._arn(f"capacity-provider:{self.CapacityProviderName()}"))
        return self.random.choice(forms)

    def Tags(self):
        return {key: self.random.choice(["", "x", "ü ="]) for key in self.random.sample(["a", "b", "c d"], 2)}

    def TagKeys(self):
        return self.random.sample(["a", "b", "c d"], 1)

    # Event sources.

    def UUID(self):
        return self._of("mapping", ("00000000-0000-4000-8000-000000000000",))[0]

    def CreateEventSourceMapping_FunctionName(self):
        return self._function()

    UpdateEventSourceMapping_FunctionName = CreateEventSourceMapping_FunctionName

    def EventSourceArn(self):
        # Streams are taken as they are named; a queue would have to be there.
        source = self.random.choice(["kinesis", "kinesis", "kinesis", "sqs"])
        place = f"arn:aws:{source}:{self.region}:{self.account}:"
        return place + (self.random.choice(["stream/one", "stream/two"]) if source == "kinesis" else "one")

    def StartingPosition(self):
        return self.random.choice(["LATEST", "TRIM_HORIZON"])

    def BatchSize(self):
        return self.random.choice([1, 10])

    def FilterCriteria(self):
        return {"Filters": [{"Pattern": '{"body": {"kind": ["a"]}}'}]}

    def FunctionResponseTypes(self):
        return ["ReportBatchItemFailures"]

    # Pages and durable executions.

    def Marker(self):
        return self.marker or "x"

    def DurableExecutionArn(self):
        return self._arn(f"function:{self._function()}:$LATEST/durable-execution/run/0a0a0a0a-0000-4000-8000-000000000000")
