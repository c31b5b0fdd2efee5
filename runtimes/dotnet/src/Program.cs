using System;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;

namespace Dormouse.Runtime
{
    /// <summary>
    /// Init and the invoke loop.
    ///
    /// Owns the order of things: prepare the process, load the function, then next, handle, reply, for
    /// ever. Log records are written when they are made, so none is attributed to the next
    /// invocation. Exceptions of function code become error documents here.
    /// </summary>
    internal static class Program
    {
        private const string TraceVariable = "_X_AMZN_TRACE_ID";
        private const int InitFailed = 1;

        private static readonly string api = Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API");
        private static int concurrency;

        /// <summary>Runs the environment until its process is ended.</summary>
        public static int Main(string[] arguments)
        {
            Log.Open();
            Assemblies.Open(Environment.GetEnvironmentVariable("LAMBDA_TASK_ROOT") ?? "/var/task");
            int.TryParse(
                Environment.GetEnvironmentVariable("AWS_LAMBDA_MAX_CONCURRENCY"), NumberStyles.None, CultureInfo.InvariantCulture, out concurrency);
            Function function;
            try
            {
                function = Function.Load(Environment.GetEnvironmentVariable("_HANDLER"));
            }
            catch (Exception e)
            {
                Log.Write("Error", e, null);
                new Connection(api).PostInitError(e.GetType().Name, Utf8(Failure.Document(e)));
                return InitFailed;
            }
            for (var i = 1; i < concurrency; i++)
            {
                new Thread(() => Serve(function)) { IsBackground = true }.Start();
            }
            Serve(function);
            return 0;
        }

        private static void Serve(Function function)
        {
            try
            {
                Loop(function);
            }
            catch (Exception e) when (e is IOException || e is System.Net.Sockets.SocketException)
            {
                Log.Write("Error", null, "dormouse runtime: " + e.Message);
                Environment.Exit(InitFailed);
            }
        }

        private static void Loop(Function function)
        {
            var connection = new Connection(api);
            var invocation = connection.Next();
            while (true)
            {
                Log.Serve(invocation);
                if (concurrency <= 1)
                {
                    Environment.SetEnvironmentVariable(TraceVariable, invocation.TraceId);
                }
                var response = new MemoryStream();
                var failure = Call(function, invocation, response);
                if (failure == null)
                {
                    invocation = connection.Reply(invocation.RequestId, response.GetBuffer(), (int)response.Length);
                }
                else
                {
                    Log.Write("Error", failure, null);
                    invocation = connection.ReplyError(
                        invocation.RequestId, failure.GetType().Name, Utf8(Failure.Document(failure)));
                }
            }
        }

        /// <summary>Runs the function once; returns what it threw, or null.</summary>
        private static Exception Call(Function function, Invocation invocation, Stream response)
        {
            try
            {
                function.Invoke(invocation, response);
                return null;
            }
            catch (Exception e)
            {
                return e;
            }
        }

        private static byte[] Utf8(string text)
        {
            return Encoding.UTF8.GetBytes(text);
        }
    }
}
