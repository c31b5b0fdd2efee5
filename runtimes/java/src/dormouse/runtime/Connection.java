package dormouse.runtime;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/**
 * The Runtime API over one kept-alive HTTP/1.1 connection.
 *
 * Owns the socket and the few parts of HTTP that the Runtime API uses; it does not interpret
 * bodies. A reply and the request for the next invocation leave in one send: the server answers
 * them in order. A connection that the server closed while idle is opened again; any other failure
 * ends the process, because an invocation whose fate is unknown must not be repeated.
 */
final class Connection {
    private static final String API = "/2018-06-01/runtime/";
    private static final int HEAD_BYTES_MAX = 4 * 1024 * 1024;
    /** The answer to an oversize response; the platform has told the caller already. */
    private static final int PAYLOAD_TOO_LARGE = 413;

    private final String host;
    private final int port;
    private final byte[] nextRequest;

    private Socket socket;
    private InputStream in;
    private OutputStream out;
    /** Bytes received and not yet taken: `buffer[start..end]`. */
    private byte[] buffer = new byte[16 * 1024];
    private int start;
    private int end;

    /** A client of the Runtime API at `host:port`. */
    Connection(String address) {
        int colon = address.lastIndexOf(':');
        this.host = address.substring(0, colon);
        this.port = Integer.parseInt(address.substring(colon + 1));
        this.nextRequest = ascii("GET " + API + "invocation/next HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
    }

    /** Waits for the next invocation, however long that takes. */
    Invocation next() throws IOException {
        send(nextRequest, nextRequest.length);
        return receiveInvocation();
    }

    /** Posts the function's answer to an invocation, then waits like {@link #next}. */
    Invocation reply(String requestId, byte[] body, int length) throws IOException {
        return replyAndNext("invocation/" + requestId + "/response", "application/json", "", body, length);
    }

    /** Posts the error document of an invocation, then waits like {@link #next}. */
    Invocation replyError(String requestId, String errorType, byte[] body) throws IOException {
        String header = "Lambda-Runtime-Function-Error-Type: " + errorType + "\r\n";
        return replyAndNext("invocation/" + requestId + "/error", "application/json", header, body, body.length);
    }

    /** Posts an error document and waits for its receipt only: the caller ends the process. */
    void reportLast(String path, String errorType, byte[] body) throws IOException {
        String header = "Lambda-Runtime-Function-Error-Type: " + errorType + "\r\n";
        byte[] head = head(path, "application/json", header, body.length);
        byte[] request = Arrays.copyOf(head, head.length + body.length);
        System.arraycopy(body, 0, request, head.length, body.length);
        send(request, request.length);
        expectAccepted();
    }

    private Invocation replyAndNext(String path, String type, String header, byte[] body, int length) throws IOException {
        byte[] head = head(path, type, header, length);
        byte[] request = Arrays.copyOf(head, head.length + length + nextRequest.length);
        System.arraycopy(body, 0, request, head.length, length);
        System.arraycopy(nextRequest, 0, request, head.length + length, nextRequest.length);
        send(request, request.length);
        expectAccepted();
        return receiveInvocation();
    }

    private byte[] head(String path, String type, String header, int length) {
        return ascii("POST " + API + path + " HTTP/1.1\r\nHost: " + host + ":" + port + "\r\nContent-Type: " + type + "\r\n"
                + header + "Content-Length: " + length + "\r\n\r\n");
    }

    private void send(byte[] data, int length) throws IOException {
        if (socket == null) {
            socket = new Socket(InetAddress.getByName(host), port);
            socket.setTcpNoDelay(true);
            in = socket.getInputStream();
            out = socket.getOutputStream();
            start = 0;
            end = 0;
        }
        out.write(data, 0, length);
    }

    private void expectAccepted() throws IOException {
        int status = receiveStatus();
        byte[] body = receiveRest(null);
        if (status / 100 != 2 && status != PAYLOAD_TOO_LARGE) {
            throw new IOException("the Runtime API answered " + status + " to a reply: " + new String(body, StandardCharsets.UTF_8));
        }
    }

    private Invocation receiveInvocation() throws IOException {
        while (start == end && !fill()) {
            socket.close();
            socket = null;
            send(nextRequest, nextRequest.length);
        }
        int status = receiveStatus();
        if (status != 200) {
            throw new IOException("the Runtime API answered " + status + " to a next request");
        }
        Invocation invocation = new Invocation();
        invocation.body = receiveRest(invocation);
        return invocation;
    }

    private int receiveStatus() throws IOException {
        String line = line();
        int space = line.indexOf(' ');
        return Integer.parseInt(line.substring(space + 1, space + 4));
    }

    /** Takes headers and body of the response; headers go to `invocation` if there is one. */
    private byte[] receiveRest(Invocation invocation) throws IOException {
        int length = 0;
        boolean isChunked = false;
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            String name = line.substring(0, colon).toLowerCase(Locale.ROOT);
            String value = line.substring(colon + 1).trim();
            if (name.equals("content-length")) {
                length = Integer.parseInt(value);
            } else if (name.equals("transfer-encoding")) {
                isChunked = value.equalsIgnoreCase("chunked");
            } else if (invocation != null) {
                invocation.header(name, value);
            }
        }
        return isChunked ? chunks() : bytes(length);
    }

    private byte[] chunks() throws IOException {
        byte[] body = new byte[0];
        while (true) {
            String line = line();
            int semicolon = line.indexOf(';');
            int size = Integer.parseInt((semicolon < 0 ? line : line.substring(0, semicolon)).trim(), 16);
            if (size == 0) {
                while (!line().isEmpty()) {
                    // Trailers carry nothing that a runtime needs.
                }
                return body;
            }
            byte[] chunk = bytes(size);
            int before = body.length;
            body = Arrays.copyOf(body, before + size);
            System.arraycopy(chunk, 0, body, before, size);
            line();
        }
    }

    private byte[] bytes(int length) throws IOException {
        byte[] bytes = new byte[length];
        int filled = Math.min(length, end - start);
        System.arraycopy(buffer, start, bytes, 0, filled);
        start += filled;
        while (filled < length) {
            int count = in.read(bytes, filled, length - filled);
            if (count < 0) {
                throw new IOException("the Runtime API closed the connection within a body");
            }
            filled += count;
        }
        return bytes;
    }

    private String line() throws IOException {
        int from = start;
        while (true) {
            for (int i = from; i < end; i++) {
                if (buffer[i] == '\n') {
                    int stop = i > start && buffer[i - 1] == '\r' ? i - 1 : i;
                    String line = new String(buffer, start, stop - start, StandardCharsets.UTF_8);
                    start = i + 1;
                    return line;
                }
            }
            int seen = end - start;
            if (!fill()) {
                throw new IOException("the Runtime API closed the connection");
            }
            from = start + seen;
        }
    }

    /** Receives some bytes; false at the end of the stream. */
    private boolean fill() throws IOException {
        if (start > 0) {
            System.arraycopy(buffer, start, buffer, 0, end - start);
            end -= start;
            start = 0;
        }
        if (end == buffer.length) {
            if (end >= HEAD_BYTES_MAX) {
                throw new IOException("the Runtime API sent an endless header");
            }
            buffer = Arrays.copyOf(buffer, end * 2);
        }
        int count = in.read(buffer, end, buffer.length - end);
        if (count > 0) {
            end += count;
        }
        return count > 0;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
