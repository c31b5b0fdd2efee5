using System;
using System.Collections.Generic;
using System.Text;

namespace Dormouse.Runtime
{
    /// <summary>A function that is not what its settings say; the name is what callers see.</summary>
    internal sealed class LambdaValidationException : Exception
    {
        public LambdaValidationException(string format, params object[] arguments)
            : base(string.Format(format, arguments))
        {
        }
    }

    /// <summary>
    /// The error document of an exception, as Lambda's .NET runtime writes it: the short name of the
    /// type, the message, the stack trace by lines, and the same of what caused it. Frames of the
    /// runtime itself are left out.
    /// </summary>
    internal static class Failure
    {
        private const int SizeMax = 256 * 1024;
        private const string TooLarge = "{\"errorMessage\": \"Exception exceeded maximum payload size of 256KB.\"}";

        public static string Document(Exception exception)
        {
            var json = new StringBuilder();
            Describe(json, exception, 0);
            return json.Length > SizeMax ? TooLarge : json.ToString();
        }

        private static void Describe(StringBuilder json, Exception exception, int depth)
        {
            var indent = new string(' ', 2 * depth + 2);
            json.Append("{\n").Append(indent).Append("\"errorType\": ");
            Json.Quote(json, exception.GetType().Name);
            json.Append(",\n").Append(indent).Append("\"errorMessage\": ");
            Json.Quote(json, exception.Message);
            var frames = Frames(exception);
            if (frames.Count > 0)
            {
                json.Append(",\n").Append(indent).Append("\"stackTrace\": [");
                for (var i = 0; i < frames.Count; i++)
                {
                    json.Append(i == 0 ? "\n  " : ",\n  ").Append(indent);
                    Json.Quote(json, frames[i]);
                }
                json.Append('\n').Append(indent).Append(']');
            }
            if (exception.InnerException != null && json.Length < SizeMax)
            {
                json.Append(",\n").Append(indent).Append("\"cause\": ");
                Describe(json, exception.InnerException, depth + 1);
            }
            var several = exception as AggregateException;
            if (several != null)
            {
                json.Append(",\n").Append(indent).Append("\"causes\": [");
                for (var i = 0; i < several.InnerExceptions.Count && json.Length < SizeMax; i++)
                {
                    json.Append(i == 0 ? "" : ", ");
                    Describe(json, several.InnerExceptions[i], depth + 1);
                }
                json.Append(']');
            }
            json.Append('\n').Append(' ', 2 * depth).Append('}');
        }

        /// <summary>The lines of the stack trace, down to where the function was called.</summary>
        private static List<string> Frames(Exception exception)
        {
            var frames = new List<string>();
            foreach (var line in (exception.StackTrace ?? "").Split('\n'))
            {
                var frame = line.Trim();
                if (Begins(frame, "at Dormouse.Runtime.") || Begins(frame, "at System.RuntimeMethodHandle.Invoke"))
                {
                    break;
                }
                if (frame.Length > 0)
                {
                    frames.Add(frame);
                }
            }
            while (frames.Count > 0 && (Begins(frames[frames.Count - 1], "---")
                || Begins(frames[frames.Count - 1], "at System.Reflection.")
                || Begins(frames[frames.Count - 1], "at InvokeStub_")))
            {
                frames.RemoveAt(frames.Count - 1);
            }
            return frames;
        }

        private static bool Begins(string frame, string text)
        {
            return frame.StartsWith(text, StringComparison.Ordinal);
        }
    }
}
