using System;
using System.IO;
using System.Net.Sockets;
using System.Text;

namespace Example
{
    /// <summary>A program that speaks the Runtime API itself.</summary>
    public static class Own
    {
        public static void Main()
        {
            var address = Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API").Split(':');
            while (true)
            {
                string id = null;
                Exchange(address, "GET", "invocation/next", "", line =>
                {
                    if (line.StartsWith("lambda-runtime-aws-request-id:", StringComparison.OrdinalIgnoreCase))
                    {
                        id = line.Substring(line.IndexOf(':') + 1).Trim();
                    }
                });
                Exchange(address, "POST", "invocation/" + id + "/response", "\"my own loop\"", line => { });
            }
        }

        private static void Exchange(string[] address, string method, string path, string body, Action<string> header)
        {
            using (var client = new TcpClient(address[0], int.Parse(address[1])))
            {
                var request = Encoding.ASCII.GetBytes(method + " /2018-06-01/runtime/" + path + " HTTP/1.1\r\nHost: api\r\nConnection: close\r\n"
                    + "Content-Length: " + body.Length + "\r\n\r\n" + body);
                client.GetStream().Write(request, 0, request.Length);
                var reader = new StreamReader(client.GetStream());
                for (var line = reader.ReadLine(); !string.IsNullOrEmpty(line); line = reader.ReadLine())
                {
                    header(line);
                }
            }
        }
    }
}
