using System.IO;
using System.Text;
using System.Threading.Tasks;

namespace Dormouse.Runtime
{
    /// <summary>
    /// The console as functions on Lambda find it: each WriteLine is a log record; what is written
    /// without a line's end goes to the stream as it is.
    /// </summary>
    internal sealed class ConsoleWriter : TextWriter
    {
        private readonly string level;
        private readonly StreamWriter plain;

        public ConsoleWriter(string level, Stream stream)
        {
            this.level = level;
            plain = new StreamWriter(stream, new UTF8Encoding(false)) { AutoFlush = true };
        }

        public override Encoding Encoding
        {
            get { return plain.Encoding; }
        }

        public override void Write(char value)
        {
            plain.Write(value);
        }

        public override void Write(char[] buffer, int index, int count)
        {
            plain.Write(buffer, index, count);
        }

        public override void Write(string value)
        {
            plain.Write(value);
        }

        public override void Flush()
        {
            plain.Flush();
        }

        public override void WriteLine()
        {
            Log.Write(level, null, "");
        }

        public override void WriteLine(string value)
        {
            Log.Write(level, null, value);
        }

        public override void WriteLine(object value)
        {
            WriteLine(value == null ? "" : value.ToString());
        }

        public override void WriteLine(char[] buffer)
        {
            WriteLine(buffer == null ? "" : new string(buffer));
        }

        public override void WriteLine(char[] buffer, int index, int count)
        {
            WriteLine(new string(buffer, index, count));
        }

        public override void WriteLine(string format, params object[] arg)
        {
            WriteLine(string.Format(format, arg));
        }

        public override void WriteLine(string format, object arg0)
        {
            WriteLine(string.Format(format, arg0));
        }

        public override void WriteLine(string format, object arg0, object arg1)
        {
            WriteLine(string.Format(format, arg0, arg1));
        }

        public override void WriteLine(string format, object arg0, object arg1, object arg2)
        {
            WriteLine(string.Format(format, arg0, arg1, arg2));
        }

        public override void WriteLine(bool value)
        {
            WriteLine(value.ToString(FormatProvider));
        }

        public override void WriteLine(char value)
        {
            WriteLine(value.ToString(FormatProvider));
        }

        public override void WriteLine(int value)
        {
            WriteLine(value.ToString(FormatProvider));
        }

        public override void WriteLine(uint value)
        {
            WriteLine(value.ToString(FormatProvider));
        }

        public override void WriteLine(long value)
        {
            WriteLine(value.ToString(FormatProvider));
        }

        public override void WriteLine(ulong value)
        {
            WriteLine(value.ToString(FormatProvider));
        }

        public override void WriteLine(float value)
        {
            WriteLine(value.ToString(FormatProvider));
        }

        public override void WriteLine(double value)
        {
            WriteLine(value.ToString(FormatProvider));
        }

        public override void WriteLine(decimal value)
        {
            WriteLine(value.ToString(FormatProvider));
        }

        public override Task WriteLineAsync()
        {
            return WriteLineAsync("");
        }

        public override Task WriteLineAsync(char value)
        {
            return WriteLineAsync(value.ToString(FormatProvider));
        }

        public override Task WriteLineAsync(string value)
        {
            WriteLine(value);
            return Task.FromResult(0);
        }

        public override Task WriteLineAsync(char[] buffer, int index, int count)
        {
            return WriteLineAsync(new string(buffer, index, count));
        }
    }
}
