using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Dormouse.Runtime
{
    /// <summary>
    /// Log messages with named holes: <c>{name}</c>, <c>{name:format}</c>, <c>{@name}</c> for an object
    /// as JSON, <c>{0}</c> by position; doubled braces stand for themselves.
    /// </summary>
    internal sealed class Template
    {
        private struct Hole
        {
            public string Name;
            public string Format;
            public bool IsJson;
            public object Value;
        }

        private readonly List<Hole> holes = new List<Hole>();
        private readonly StringBuilder text = new StringBuilder();

        public Template(string message, object[] arguments)
        {
            message = message ?? "";
            if (arguments == null || arguments.Length == 0)
            {
                text.Append(message);
                return;
            }
            for (var i = 0; i < message.Length; i++)
            {
                var c = message[i];
                var close = c == '{' ? message.IndexOf('}', i) : -1;
                if ((c == '{' || c == '}') && i + 1 < message.Length && message[i + 1] == c)
                {
                    text.Append(c);
                    i++;
                }
                else if (close > i + 1)
                {
                    Fill(message.Substring(i + 1, close - i - 1), arguments);
                    i = close;
                }
                else
                {
                    text.Append(c);
                }
            }
        }

        /// <summary>The message with its holes filled.</summary>
        public string Text
        {
            get { return text.ToString(); }
        }

        /// <summary>Appends the values that are not null as members of an object that is open.</summary>
        public void AppendMembers(StringBuilder json)
        {
            foreach (var hole in holes)
            {
                if (hole.Value == null)
                {
                    continue;
                }
                json.Append(',');
                Json.Quote(json, hole.Name);
                json.Append(':');
                if (hole.IsJson)
                {
                    json.Append(AsJson(hole.Value));
                }
                else if (hole.Format != null)
                {
                    Json.Quote(json, Formatted(hole));
                }
                else
                {
                    Json.Value(json, hole.Value);
                }
            }
        }

        private void Fill(string inside, object[] arguments)
        {
            var colon = inside.IndexOf(':');
            var hole = new Hole { Name = colon < 0 ? inside : inside.Substring(0, colon) };
            hole.Format = colon < 0 ? null : inside.Substring(colon + 1);
            hole.IsJson = inside[0] == '@';
            hole.Name = hole.Name.TrimStart('@').Trim();
            int index;
            if (!int.TryParse(hole.Name, NumberStyles.None, CultureInfo.InvariantCulture, out index))
            {
                index = holes.Count;
            }
            if (index < 0 || index >= arguments.Length)
            {
                text.Append('{').Append(inside).Append('}');
                return;
            }
            hole.Value = arguments[index];
            holes.Add(hole);
            text.Append(hole.IsJson ? AsJson(hole.Value) : Formatted(hole));
        }

        private static string Formatted(Hole hole)
        {
            var formattable = hole.Value as IFormattable;
            return formattable == null
                ? Convert.ToString(hole.Value, CultureInfo.InvariantCulture)
                : formattable.ToString(hole.Format, CultureInfo.InvariantCulture);
        }

        private static string AsJson(object value)
        {
            try
            {
                return value == null ? "null" : Json.Serialize(value);
            }
            catch (Exception)
            {
                // Some objects cannot be written as JSON; a log line is no reason to fail.
                var json = new StringBuilder();
                Json.Quote(json, value.ToString());
                return json.ToString();
            }
        }
    }
}
