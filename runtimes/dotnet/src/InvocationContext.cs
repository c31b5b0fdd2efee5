using System;
using System.Collections.Generic;
using Amazon.Lambda.Core;

namespace Dormouse.Runtime
{
    /// <summary>
    /// The context object of one invocation. Nothing but functions that take one may cause this class
    /// to be loaded: its interfaces come with their packages.
    ///
    /// Source: AWS Lambda Developer Guide, "Using the Lambda context object to retrieve C# function information".
    /// </summary>
    internal sealed class InvocationContext : ILambdaContext
    {
        private static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        private readonly Invocation invocation;

        public InvocationContext(Invocation invocation)
        {
            this.invocation = invocation;
        }

        public string AwsRequestId
        {
            get { return invocation.RequestId; }
        }

        public IClientContext ClientContext
        {
            get { return string.IsNullOrEmpty(invocation.ClientContext) ? null : new Caller(invocation.ClientContext); }
        }

        public string FunctionName
        {
            get { return Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_NAME"); }
        }

        public string FunctionVersion
        {
            get { return Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_VERSION"); }
        }

        public ICognitoIdentity Identity
        {
            get { return string.IsNullOrEmpty(invocation.CognitoIdentity) ? null : new CognitoIdentity(invocation.CognitoIdentity); }
        }

        public string InvokedFunctionArn
        {
            get { return invocation.FunctionArn; }
        }

        public ILambdaLogger Logger
        {
            get { return new Logger(); }
        }

        public string LogGroupName
        {
            get { return Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_GROUP_NAME"); }
        }

        public string LogStreamName
        {
            get { return Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_STREAM_NAME"); }
        }

        public int MemoryLimitInMB
        {
            get
            {
                int memory;
                int.TryParse(Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), out memory);
                return memory;
            }
        }

        public TimeSpan RemainingTime
        {
            get { return Epoch.AddMilliseconds(invocation.DeadlineMs) - DateTime.UtcNow; }
        }

        public string TraceId
        {
            get { return invocation.TraceId; }
        }

        public string TenantId
        {
            get { return invocation.TenantId; }
        }
    }

    internal sealed class Logger : ILambdaLogger
    {
        public void Log(string message)
        {
            Runtime.Log.Write("Information", null, message);
        }

        public void LogLine(string message)
        {
            Runtime.Log.Write("Information", null, message);
        }

        public void Log(string level, string message)
        {
            Runtime.Log.Write(level, null, message);
        }

        public void Log(string level, string message, params object[] args)
        {
            Runtime.Log.Write(level, null, message, args);
        }

        public void Log(string level, Exception exception, string message, params object[] args)
        {
            Runtime.Log.Write(level, exception, message, args);
        }
    }

    internal sealed class CognitoIdentity : ICognitoIdentity
    {
        private readonly Dictionary<string, string> fields;

        public CognitoIdentity(string json)
        {
            fields = Json.Read<Dictionary<string, string>>(json);
        }

        public string IdentityId
        {
            get { return Caller.Text(fields, "cognitoIdentityId"); }
        }

        public string IdentityPoolId
        {
            get { return Caller.Text(fields, "cognitoIdentityPoolId"); }
        }
    }

    internal sealed class Caller : IClientContext, IClientApplication
    {
        private readonly Dictionary<string, Dictionary<string, string>> parts;

        public Caller(string json)
        {
            parts = Json.Read<Dictionary<string, Dictionary<string, string>>>(json);
        }

        public IDictionary<string, string> Environment
        {
            get { return Part("env"); }
        }

        public IClientApplication Client
        {
            get { return Part("client") == null ? null : this; }
        }

        public IDictionary<string, string> Custom
        {
            get { return Part("custom"); }
        }

        public string AppPackageName
        {
            get { return Text(Part("client"), "app_package_name"); }
        }

        public string AppTitle
        {
            get { return Text(Part("client"), "app_title"); }
        }

        public string AppVersionCode
        {
            get { return Text(Part("client"), "app_version_code"); }
        }

        public string AppVersionName
        {
            get { return Text(Part("client"), "app_version_name"); }
        }

        public string InstallationId
        {
            get { return Text(Part("client"), "installation_id"); }
        }

        public static string Text(Dictionary<string, string> fields, string name)
        {
            string value;
            return fields != null && fields.TryGetValue(name, out value) ? value : null;
        }

        private Dictionary<string, string> Part(string name)
        {
            Dictionary<string, string> part;
            return parts.TryGetValue(name, out part) ? part : null;
        }
    }
}
