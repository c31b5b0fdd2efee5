using System;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;
using Microsoft.Win32.SafeHandles;

namespace Dormouse.Runtime
{
    /// <summary>
    /// Log records and the way from one to the platform.
    ///
    /// Text records are time, request id, level and message with tabs between; JSON records have
    /// the names that Lambda's .NET runtime uses. By default a record is a line on standard output.
    /// Where the platform passed a descriptor for frames, each record is one frame and keeps its line
    /// breaks: a four-byte type, a four-byte length, an eight-byte time in microseconds, then the
    /// message, all big-endian.
    ///
    /// Source: AWS Lambda Developer Guide, "Log and monitor C# Lambda functions".
    /// </summary>
    internal static class Log
    {
        private const uint FrameJson = 0xa55a0002;
        private const uint FrameText = 0xa55a0003;
        private static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        /// <summary>As functions name them, as the text says them, and as the platform's setting does.</summary>
        private static readonly string[] Names = { "Trace", "Debug", "Information", "Warning", "Error", "Critical" };
        private static readonly string[] Labels = { "trce", "dbug", "info", "warn", "fail", "crit" };
        private static readonly string[] Settings = { "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL" };

        private static readonly bool isJson = "JSON".Equals(Variable("AWS_LAMBDA_LOG_FORMAT"), StringComparison.OrdinalIgnoreCase);
        private static readonly bool isBare =
            "Unformatted".Equals(Variable("AWS_LAMBDA_HANDLER_LOG_FORMAT"), StringComparison.OrdinalIgnoreCase);
        private static readonly int lowest = Lowest();
        private static readonly AsyncLocal<Invocation> current = new AsyncLocal<Invocation>();

        private static Stream lines;
        private static Stream frames;

        /// <summary>Takes over the console: whole lines become records, of level Information or Error.</summary>
        public static void Open()
        {
            lines = Console.OpenStandardOutput();
            int descriptor;
            if (int.TryParse(Variable("_LAMBDA_TELEMETRY_LOG_FD"), NumberStyles.None, CultureInfo.InvariantCulture, out descriptor))
            {
                var handle = new SafeFileHandle(new IntPtr(descriptor), false);
                frames = new FileStream(handle, FileAccess.Write, 1);
            }
            Environment.SetEnvironmentVariable("_LAMBDA_TELEMETRY_LOG_FD", null);
            Console.SetOut(new ConsoleWriter("Information", lines));
            Console.SetError(new ConsoleWriter("Error", Console.OpenStandardError()));
        }

        /// <summary>Names the invocation that this flow's records belong to from now on.</summary>
        public static void Serve(Invocation invocation)
        {
            current.Value = invocation;
        }

        /// <summary>Writes a record; a level that is null is not shown and never filtered.</summary>
        public static void Write(string level, Exception exception, string message, params object[] arguments)
        {
            var index = Array.FindIndex(Names, name => name.Equals(level, StringComparison.OrdinalIgnoreCase));
            if (index >= 0 && index < lowest)
            {
                return;
            }
            var template = new Template(message, arguments);
            var record = isJson ? JsonRecord(level, index, exception, template) : TextRecord(level, index, exception, template);
            try
            {
                Hand(Encoding.UTF8.GetBytes(record), index);
            }
            catch (IOException)
            {
                // The reader is gone: a log line is no reason to fail.
            }
        }

        private static string TextRecord(string level, int index, Exception exception, Template template)
        {
            var message = template.Text;
            if (exception != null)
            {
                message += (message.Length > 0 ? "\n" : "") + exception;
            }
            if (isBare)
            {
                return message + "\n";
            }
            var record = new StringBuilder();
            record.Append(Now()).Append('\t');
            record.Append(current.Value == null ? "" : current.Value.RequestId).Append('\t');
            if (!string.IsNullOrEmpty(level))
            {
                record.Append(index < 0 ? level : Labels[index]).Append('\t');
            }
            return record.Append(message).Append('\n').ToString();
        }

        private static string JsonRecord(string level, int index, Exception exception, Template template)
        {
            var json = new StringBuilder("{\"timestamp\":\"").Append(Now()).Append("\",\"level\":");
            Json.Quote(json, index >= 0 ? Names[index] : "Information");
            var invocation = current.Value;
            if (invocation != null)
            {
                Member(json, "requestId", invocation.RequestId);
                Member(json, "traceId", invocation.TraceId);
                Member(json, "tenantId", invocation.TenantId);
            }
            Member(json, "message", template.Text);
            template.AppendMembers(json);
            if (exception != null)
            {
                Member(json, "errorType", exception.GetType().FullName);
                Member(json, "errorMessage", exception.Message);
                json.Append(",\"stackTrace\":");
                Json.Value(json, Array.ConvertAll(exception.ToString().Split('\n'), line => line.Trim()));
            }
            return json.Append("}\n").ToString();
        }

        private static void Member(StringBuilder json, string name, string value)
        {
            if (value != null)
            {
                json.Append(",\"").Append(name).Append("\":");
                Json.Quote(json, value);
            }
        }

        /// <summary>One array and so one write: records of several threads cannot mix.</summary>
        private static void Hand(byte[] message, int index)
        {
            if (frames == null)
            {
                lock (lines)
                {
                    lines.Write(message, 0, message.Length);
                    lines.Flush();
                }
                return;
            }
            var type = (isJson ? FrameJson : FrameText) | (uint)(index + 1) << 2;
            var micros = (DateTime.UtcNow - Epoch).Ticks / 10;
            var frame = new byte[16 + message.Length];
            BigEndian(frame, 0, 4, type);
            BigEndian(frame, 4, 4, (ulong)message.Length);
            BigEndian(frame, 8, 8, (ulong)micros);
            Buffer.BlockCopy(message, 0, frame, 16, message.Length);
            lock (frames)
            {
                frames.Write(frame, 0, frame.Length);
                frames.Flush();
            }
        }

        private static void BigEndian(byte[] frame, int at, int size, ulong value)
        {
            for (var i = 0; i < size; i++)
            {
                frame[at + i] = (byte)(value >> 8 * (size - 1 - i));
            }
        }

        /// <summary>By hand: the first date that .NET formats takes it 10 ms.</summary>
        private static string Now()
        {
            var now = DateTime.UtcNow;
            var text = "0000-00-00T00:00:00.000Z".ToCharArray();
            Digits(text, 0, 4, now.Year);
            Digits(text, 5, 2, now.Month);
            Digits(text, 8, 2, now.Day);
            Digits(text, 11, 2, now.Hour);
            Digits(text, 14, 2, now.Minute);
            Digits(text, 17, 2, now.Second);
            Digits(text, 20, 3, now.Millisecond);
            return new string(text);
        }

        private static void Digits(char[] text, int at, int count, int value)
        {
            for (var i = at + count - 1; i >= at; i--)
            {
                text[i] = (char)('0' + value % 10);
                value /= 10;
            }
        }

        private static int Lowest()
        {
            var setting = Variable("AWS_LAMBDA_LOG_LEVEL");
            var index = Array.FindIndex(Settings, name => name.Equals(setting, StringComparison.OrdinalIgnoreCase));
            if (index >= 0)
            {
                return index;
            }
            var older = Variable("AWS_LAMBDA_HANDLER_LOG_LEVEL");
            index = Array.FindIndex(Names, name => name.Equals(older, StringComparison.OrdinalIgnoreCase));
            return index >= 0 ? index : Array.IndexOf(Names, "Information");
        }

        private static string Variable(string name)
        {
            return Environment.GetEnvironmentVariable(name);
        }
    }
}
