using System;
using System.Collections.Generic;
using System.IO;
using System.Threading.Tasks;
using Amazon.Lambda.Core;

[assembly: LambdaSerializer(typeof(Example.Serializer))]

namespace Example
{
    public class Order
    {
        public string Item { get; set; }
        public int Count { get; set; }
    }

    /// <summary>Handlers of every form.</summary>
    public class Basic
    {
        private static int calls;

        static Basic()
        {
            Console.WriteLine("loading Basic");
        }

        public Dictionary<string, object> Echo(Dictionary<string, object> input)
        {
            return input;
        }

        public string Text(string input)
        {
            return input + "!";
        }

        public static int Sum(List<int> numbers, ILambdaContext context)
        {
            var sum = 0;
            numbers.ForEach(number => sum += number);
            return sum;
        }

        public Order Twice(Order order)
        {
            return new Order { Item = order.Item, Count = order.Count * 2 };
        }

        public Stream Streams(Stream input)
        {
            var text = new StreamReader(input).ReadToEnd();
            return new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text.ToUpperInvariant()));
        }

        public async Task<string> Later(string input, ILambdaContext context)
        {
            await Task.Delay(1);
            return input + " later in " + context.FunctionName;
        }

        public async Task Nothing(Stream input)
        {
            await Task.Yield();
        }

        public string NoInput()
        {
            return "no input";
        }

        public string OnlyContext(ILambdaContext context)
        {
            return context.FunctionName;
        }

        public int Counted(Stream input)
        {
            return ++calls;
        }

        public string Overloaded(string input)
        {
            return "text";
        }

        public string Overloaded(int input)
        {
            return "number";
        }

        public Dictionary<string, object> Context(Stream input, ILambdaContext context)
        {
            return new Dictionary<string, object>
            {
                { "function_name", context.FunctionName },
                { "function_version", context.FunctionVersion },
                { "memory_limit_in_mb", context.MemoryLimitInMB },
                { "request_id_length", context.AwsRequestId.Length },
                { "arn_has_name", context.InvokedFunctionArn.Contains(":function:fn") },
                { "log_group_name", context.LogGroupName },
                { "log_stream_is_text", context.LogStreamName.Length > 0 },
                { "time_left", context.RemainingTime > TimeSpan.Zero && context.RemainingTime <= TimeSpan.FromSeconds(20) },
                { "identity", context.Identity },
                { "client_context", context.ClientContext },
                { "trace", context.TraceId == Environment.GetEnvironmentVariable("_X_AMZN_TRACE_ID") && context.TraceId.StartsWith("Root=1-") },
            };
        }

        public Dictionary<string, object> ClientContext(Stream input, ILambdaContext context)
        {
            return new Dictionary<string, object>
            {
                { "installation_id", context.ClientContext.Client.InstallationId },
                { "app_title", context.ClientContext.Client.AppTitle },
                { "custom", context.ClientContext.Custom },
                { "env", context.ClientContext.Environment },
            };
        }

        public Dictionary<string, string> Variables(List<string> names)
        {
            var values = new Dictionary<string, string>();
            names.ForEach(name => values[name] = Environment.GetEnvironmentVariable(name));
            return values;
        }

        public Dictionary<string, object> Process(Stream input)
        {
            var memory = long.Parse(Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")) << 20;
            // Mono's reference has no such member; .NET has.
            var info = typeof(GC).GetMethod("GetGCMemoryInfo", Type.EmptyTypes).Invoke(null, null);
            var limit = (long)info.GetType().GetProperty("TotalAvailableMemoryBytes").GetValue(info);
            return new Dictionary<string, object>
            {
                { "heap_fits", limit < memory },
                { "heap_is_used_well", limit > memory / 2 },
                { "folder", Directory.GetCurrentDirectory() == Environment.GetEnvironmentVariable("LAMBDA_TASK_ROOT") },
            };
        }

        public int SizeOf(Dictionary<string, string> input)
        {
            return input["text"].Length;
        }

        public string Large(Dictionary<string, int> input)
        {
            return new string('x', input["size"]);
        }

        public string Unicode(string input)
        {
            return "snöwman " + input;
        }

        public string FromLibrary(Stream input)
        {
            return Library.Greeting.Text();
        }
    }

    public class Inherited : Basic
    {
    }
}
