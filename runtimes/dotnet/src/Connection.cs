using System;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Dormouse.Runtime
{
    /// <summary>
    /// The Runtime API over one kept-alive HTTP/1.1 connection.
    ///
    /// Owns the socket and the few parts of HTTP that the Runtime API uses; it does not interpret
    /// bodies. A reply and the request for the next invocation leave in one send: the server answers
    /// them in order. A connection that the server closed while idle is opened again; any other
    /// failure ends the process, because an invocation whose fate is unknown must not be repeated.
    /// </summary>
    internal sealed class Connection
    {
        private const string Api = "/2018-06-01/runtime/";
        private const int HeadBytesMax = 4 * 1024 * 1024;

        /// <summary>The answer to an oversize response; the platform has told the caller already.</summary>
        private const int PayloadTooLarge = 413;

        private readonly string address;
        private readonly byte[] nextRequest;
        private Socket socket;

        /// <summary>Bytes received and not yet taken: from <c>start</c> to before <c>end</c>.</summary>
        private byte[] buffer = new byte[16 * 1024];
        private int start;
        private int end;

        /// <summary>A client of the Runtime API at <c>host:port</c>.</summary>
        public Connection(string address)
        {
            this.address = address;
            nextRequest = Ascii("GET " + Api + "invocation/next HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
        }

        /// <summary>Waits for the next invocation, however long that takes.</summary>
        public Invocation Next()
        {
            Send(nextRequest);
            return ReceiveInvocation();
        }

        /// <summary>Posts the function's answer to an invocation, then waits like <see cref="Next"/>.</summary>
        public Invocation Reply(string requestId, byte[] body, int length)
        {
            return ReplyAndNext("invocation/" + requestId + "/response", "", body, length);
        }

        /// <summary>Posts the error document of an invocation, then waits like <see cref="Next"/>.</summary>
        public Invocation ReplyError(string requestId, string errorType, byte[] body)
        {
            return ReplyAndNext("invocation/" + requestId + "/error", ErrorType(errorType), body, body.Length);
        }

        /// <summary>Reports that init failed; the caller ends the process.</summary>
        public void PostInitError(string errorType, byte[] body)
        {
            Send(Join(Head("init/error", ErrorType(errorType), body.Length), body, body.Length, new byte[0]));
            ExpectAccepted();
        }

        private Invocation ReplyAndNext(string path, string header, byte[] body, int length)
        {
            Send(Join(Head(path, header, length), body, length, nextRequest));
            ExpectAccepted();
            return ReceiveInvocation();
        }

        private byte[] Head(string path, string header, int length)
        {
            return Ascii("POST " + Api + path + " HTTP/1.1\r\nHost: " + address
                + "\r\nContent-Type: application/json\r\n" + header + "Content-Length: " + length + "\r\n\r\n");
        }

        private static string ErrorType(string type)
        {
            return "Lambda-Runtime-Function-Error-Type: " + type + "\r\n";
        }

        private static byte[] Join(byte[] head, byte[] body, int length, byte[] tail)
        {
            var joined = new byte[head.Length + length + tail.Length];
            Buffer.BlockCopy(head, 0, joined, 0, head.Length);
            Buffer.BlockCopy(body, 0, joined, head.Length, length);
            Buffer.BlockCopy(tail, 0, joined, head.Length + length, tail.Length);
            return joined;
        }

        private void Send(byte[] data)
        {
            if (socket == null)
            {
                var colon = address.LastIndexOf(':');
                socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.Connect(IPAddress.Parse(address.Substring(0, colon)), Number(address.Substring(colon + 1)));
                socket.NoDelay = true;
                start = end = 0;
            }
            for (var sent = 0; sent < data.Length;)
            {
                sent += socket.Send(data, sent, data.Length - sent, SocketFlags.None);
            }
        }

        private void ExpectAccepted()
        {
            var status = ReceiveStatus();
            var body = ReceiveRest(null);
            if (status / 100 != 2 && status != PayloadTooLarge)
            {
                throw new IOException("the Runtime API answered " + status + " to a reply: " + Encoding.UTF8.GetString(body));
            }
        }

        private Invocation ReceiveInvocation()
        {
            while (start == end && !Fill())
            {
                socket.Close();
                socket = null;
                Send(nextRequest);
            }
            var status = ReceiveStatus();
            if (status != 200)
            {
                throw new IOException("the Runtime API answered " + status + " to a next request");
            }
            var invocation = new Invocation();
            invocation.Body = ReceiveRest(invocation);
            return invocation;
        }

        private int ReceiveStatus()
        {
            return Number(Line().Split(' ')[1]);
        }

        /// <summary>Takes headers and body of the response; headers go to the invocation if there is one.</summary>
        private byte[] ReceiveRest(Invocation invocation)
        {
            var length = 0;
            var isChunked = false;
            for (var line = Line(); line.Length > 0; line = Line())
            {
                var colon = line.IndexOf(':');
                var name = line.Substring(0, colon).ToLowerInvariant();
                var value = line.Substring(colon + 1).Trim();
                if (name == "content-length")
                {
                    length = Number(value);
                }
                else if (name == "transfer-encoding")
                {
                    isChunked = value.Equals("chunked", StringComparison.OrdinalIgnoreCase);
                }
                else if (invocation != null)
                {
                    invocation.Header(name, value);
                }
            }
            return isChunked ? Chunks() : Bytes(length);
        }

        private byte[] Chunks()
        {
            var body = new MemoryStream();
            while (true)
            {
                var size = Convert.ToInt32(Line().Split(';')[0].Trim(), 16);
                if (size == 0)
                {
                    while (Line().Length > 0)
                    {
                        // Trailers carry nothing that a runtime needs.
                    }
                    return body.ToArray();
                }
                body.Write(Bytes(size), 0, size);
                Line();
            }
        }

        private byte[] Bytes(int length)
        {
            var bytes = new byte[length];
            var filled = Math.Min(length, end - start);
            Buffer.BlockCopy(buffer, start, bytes, 0, filled);
            start += filled;
            while (filled < length)
            {
                var count = socket.Receive(bytes, filled, length - filled, SocketFlags.None);
                if (count == 0)
                {
                    throw new IOException("the Runtime API closed the connection within a body");
                }
                filled += count;
            }
            return bytes;
        }

        private string Line()
        {
            var from = start;
            while (true)
            {
                var found = Array.IndexOf(buffer, (byte)'\n', from, end - from);
                if (found >= 0)
                {
                    var stop = found > start && buffer[found - 1] == '\r' ? found - 1 : found;
                    var line = Encoding.UTF8.GetString(buffer, start, stop - start);
                    start = found + 1;
                    return line;
                }
                var seen = end - start;
                if (!Fill())
                {
                    throw new IOException("the Runtime API closed the connection");
                }
                from = start + seen;
            }
        }

        /// <summary>Receives some bytes; false at the end of the stream.</summary>
        private bool Fill()
        {
            Buffer.BlockCopy(buffer, start, buffer, 0, end - start);
            end -= start;
            start = 0;
            if (end == buffer.Length)
            {
                if (end >= HeadBytesMax)
                {
                    throw new IOException("the Runtime API sent an endless header");
                }
                Array.Resize(ref buffer, end * 2);
            }
            var count = socket.Receive(buffer, end, buffer.Length - end, SocketFlags.None);
            end += count;
            return count > 0;
        }

        /// <summary>Without the culture of the process: to find out which it is takes .NET 15 ms.</summary>
        private static int Number(string text)
        {
            return int.Parse(text, CultureInfo.InvariantCulture);
        }

        private static byte[] Ascii(string text)
        {
            return Encoding.ASCII.GetBytes(text);
        }
    }
}
