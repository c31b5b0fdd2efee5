using System.Globalization;

namespace Dormouse.Runtime
{
    /// <summary>One event with what the platform says about it; what it does not say is null.</summary>
    internal sealed class Invocation
    {
        public string RequestId { get; private set; }
        public string FunctionArn { get; private set; }
        public string TraceId { get; private set; }
        public string ClientContext { get; private set; }
        public string CognitoIdentity { get; private set; }
        public string TenantId { get; private set; }
        public long DeadlineMs { get; private set; }
        public byte[] Body { get; set; }

        /// <summary>Takes note of a header; the name is in lower case.</summary>
        public void Header(string name, string value)
        {
            switch (name)
            {
                case "lambda-runtime-aws-request-id":
                    RequestId = value;
                    break;
                case "lambda-runtime-deadline-ms":
                    DeadlineMs = long.Parse(value, CultureInfo.InvariantCulture);
                    break;
                case "lambda-runtime-invoked-function-arn":
                    FunctionArn = value;
                    break;
                case "lambda-runtime-trace-id":
                    TraceId = value;
                    break;
                case "lambda-runtime-client-context":
                    ClientContext = value;
                    break;
                case "lambda-runtime-cognito-identity":
                    CognitoIdentity = value;
                    break;
                case "lambda-runtime-aws-tenant-id":
                    TenantId = value;
                    break;
            }
        }
    }
}
