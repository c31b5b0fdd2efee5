using System;
using System.IO;
using System.Threading.Tasks;
using Amazon.Lambda.Core;

namespace Example
{
    /// <summary>Handlers that log.</summary>
    public class Logs
    {
        public string Levels(Stream input, ILambdaContext context)
        {
            context.Logger.Log("Debug", "fine detail");
            context.Logger.LogLine("plain");
            context.Logger.Log("Warning", "two\nlines");
            context.Logger.Log("Information", "bought {count} of {@order} at {price:0.00}", 3, new { Id = 7 }, 1.5);
            context.Logger.Log("Error", new InvalidDataException("bad"), "while reading");
            LambdaLogger.Log("without a level");
            return "logged";
        }

        public async Task<string> Streams(Stream input)
        {
            Console.WriteLine("to stdout zażółć");
            Console.WriteLine("{0} and {1}", 1, true);
            Console.Error.WriteLine("to stderr");
            Console.Write("no line end");
            await Task.Yield();
            Console.WriteLine(42);
            return "done";
        }
    }
}
