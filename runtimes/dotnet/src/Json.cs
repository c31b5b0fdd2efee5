using System;
using System.Globalization;
using System.Text;

namespace Dormouse.Runtime
{
    /// <summary>
    /// The little JSON that the runtime itself writes and reads. Events and responses are the
    /// function's own serializer's business.
    /// </summary>
    internal static class Json
    {
        /// <summary>Appends a text with its quotes; null is <c>null</c>.</summary>
        public static void Quote(StringBuilder json, string text)
        {
            if (text == null)
            {
                json.Append("null");
                return;
            }
            json.Append('"');
            foreach (var c in text)
            {
                switch (c)
                {
                    case '"':
                    case '\\':
                        json.Append('\\').Append(c);
                        break;
                    case '\n':
                        json.Append("\\n");
                        break;
                    case '\r':
                        json.Append("\\r");
                        break;
                    case '\t':
                        json.Append("\\t");
                        break;
                    default:
                        if (c < ' ')
                        {
                            json.Append("\\u").Append(((int)c).ToString("x4"));
                        }
                        else
                        {
                            json.Append(c);
                        }
                        break;
                }
            }
            json.Append('"');
        }

        /// <summary>Appends a value of a log record: numbers and truth as such, lists and maps by their members, the rest as text.</summary>
        public static void Value(StringBuilder json, object value)
        {
            var list = value is byte[] ? null : value as System.Collections.IList;
            var map = value as System.Collections.IDictionary;
            if (value == null || value is string)
            {
                Quote(json, (string)value);
            }
            else if (value is bool)
            {
                json.Append((bool)value ? "true" : "false");
            }
            else if (value is sbyte || value is byte || value is short || value is ushort || value is int || value is uint
                || value is long || value is ulong || value is decimal)
            {
                json.Append(Convert.ToString(value, CultureInfo.InvariantCulture));
            }
            else if ((value is double && !double.IsNaN((double)value) && !double.IsInfinity((double)value))
                || (value is float && !float.IsNaN((float)value) && !float.IsInfinity((float)value)))
            {
                json.Append(((IFormattable)value).ToString("R", CultureInfo.InvariantCulture));
            }
            else if (map != null)
            {
                Map(json, map);
            }
            else if (list != null)
            {
                var separator = '[';
                foreach (var element in list)
                {
                    json.Append(separator);
                    Value(json, element);
                    separator = ',';
                }
                json.Append(separator == '[' ? "[]" : "]");
            }
            else
            {
                Quote(json, Convert.ToString(value, CultureInfo.InvariantCulture));
            }
        }

        private static void Map(StringBuilder json, System.Collections.IDictionary map)
        {
            var separator = '{';
            foreach (System.Collections.DictionaryEntry entry in map)
            {
                json.Append(separator);
                Quote(json, entry.Key.ToString());
                json.Append(':');
                Value(json, entry.Value);
                separator = ',';
            }
            json.Append(separator == '{' ? "{}" : "}");
        }

        /// <summary>
        /// Reads an object of texts, or of such objects. System.Text.Json is asked for by name, because
        /// this code is compiled for every version of .NET and few functions need it.
        /// </summary>
        public static T Read<T>(string json)
        {
            var type = Type.GetType("System.Text.Json.JsonSerializer, System.Text.Json", true);
            var options = Type.GetType("System.Text.Json.JsonSerializerOptions, System.Text.Json", true);
            var method = type.GetMethod("Deserialize", new[] { typeof(string), typeof(Type), options });
            return (T)method.Invoke(null, new object[] { json, typeof(T), null });
        }

        /// <summary>What System.Text.Json makes of a value.</summary>
        public static string Serialize(object value)
        {
            var type = Type.GetType("System.Text.Json.JsonSerializer, System.Text.Json", true);
            var options = Type.GetType("System.Text.Json.JsonSerializerOptions, System.Text.Json", true);
            var method = type.GetMethod("Serialize", new[] { typeof(object), typeof(Type), options });
            return (string)method.Invoke(null, new[] { value, value.GetType(), null });
        }
    }
}
