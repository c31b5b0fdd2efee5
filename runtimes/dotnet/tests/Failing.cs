using System;
using System.IO;
using System.Threading.Tasks;
using Amazon.Lambda.Core;

namespace Example
{
    public class OwnException : Exception
    {
        public OwnException(string message, Exception cause) : base(message, cause)
        {
        }
    }

    /// <summary>Handlers that fail.</summary>
    public class Failing
    {
        private static bool hasFailed;

        public string Throw(Stream input)
        {
            throw new InvalidOperationException("boom");
        }

        public async Task<string> ThrowLater(Stream input)
        {
            await Task.Yield();
            throw new InvalidOperationException("boom later");
        }

        public string Nested(Stream input)
        {
            return Inner();
        }

        private string Inner()
        {
            try
            {
                throw new IOException("disk");
            }
            catch (IOException e)
            {
                throw new OwnException("zażółć\nsecond line", e);
            }
        }

        public async Task<string> Several(Stream input)
        {
            var all = Task.WhenAll(Task.Run(() => Fail("one")), Task.Run(() => Fail("two")));
            try
            {
                await all;
            }
            catch (Exception)
            {
                throw all.Exception;
            }
            return "never";
        }

        private static void Fail(string message)
        {
            throw new ArgumentException(message);
        }

        public string Once(Stream input)
        {
            if (hasFailed)
            {
                return "fine";
            }
            hasFailed = true;
            throw new InvalidOperationException("asked to");
        }

        public string Exit(Stream input)
        {
            Environment.Exit(3);
            return "never";
        }

        public string Crash(Stream input)
        {
            Environment.FailFast("last words");
            return "never";
        }

        public async void AsyncVoid(Stream input)
        {
            await Task.Yield();
        }

        public string Params(params string[] input)
        {
            return "never";
        }

        public string Generic<T>(T input)
        {
            return "never";
        }

        public string Three(string a, string b, string c)
        {
            return "never";
        }

        public string Second(string a, string b)
        {
            return "never";
        }
    }

    public abstract class Abstract
    {
        public string Handle(string input)
        {
            return "never";
        }
    }

    public class InConstructor
    {
        public InConstructor()
        {
            throw new InvalidOperationException("no configuration");
        }

        public string Handle(Stream input)
        {
            return "never";
        }
    }

    public class InStaticConstructor
    {
        private static readonly string setting = Read();

        private static string Read()
        {
            throw new InvalidOperationException("no static configuration");
        }

        public static string Handle(Stream input)
        {
            return setting;
        }
    }
}
