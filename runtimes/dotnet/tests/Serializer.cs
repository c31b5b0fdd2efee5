using System;
using System.IO;
using System.Text;
using Amazon.Lambda.Core;

namespace Example
{
    /// <summary>What packages have from Amazon.Lambda.Serialization.SystemTextJson, in short.</summary>
    public class Serializer : ILambdaSerializer
    {
        private static readonly Type Json = Type.GetType("System.Text.Json.JsonSerializer, System.Text.Json", true);
        private static readonly Type Options = Type.GetType("System.Text.Json.JsonSerializerOptions, System.Text.Json", true);

        public T Deserialize<T>(Stream requestStream)
        {
            var text = new StreamReader(requestStream).ReadToEnd();
            try
            {
                var method = Json.GetMethod("Deserialize", new[] { typeof(string), typeof(Type), Options });
                return (T)method.Invoke(null, new object[] { text, typeof(T), null });
            }
            catch (System.Reflection.TargetInvocationException e)
            {
                throw new InvalidDataException("Error converting the Lambda event JSON payload to type " + typeof(T), e.InnerException);
            }
        }

        public void Serialize<T>(T response, Stream responseStream)
        {
            var method = Json.GetMethod("Serialize", new[] { typeof(object), typeof(Type), Options });
            var text = (string)method.Invoke(null, new object[] { response, typeof(T), null });
            var bytes = Encoding.UTF8.GetBytes(text);
            responseStream.Write(bytes, 0, bytes.Length);
        }
    }
}
