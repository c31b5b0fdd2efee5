using System;
using System.IO;
using System.Text;

namespace Example
{
    /// <summary>Greets, echoes its event, and shows what a function can learn about itself.</summary>
    public static class Hello
    {
        private static int calls;

        public static Stream Handle(Stream input)
        {
            var json = new StreamReader(input).ReadToEnd();
            Console.WriteLine("greeting, event of {0} characters", json.Length);
            // The event is JSON already, so it goes into the response as it came.
            var response = "{\"greeting\": \"Hello from .NET " + Environment.Version + "!\", \"event\": " + json
                + ", \"function_name\": \"" + Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_NAME")
                + "\", \"calls\": " + ++calls + "}";
            return new MemoryStream(Encoding.UTF8.GetBytes(response));
        }
    }
}
