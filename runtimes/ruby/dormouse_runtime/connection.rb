# frozen_string_literal: true

# The Runtime API over one kept-alive HTTP/1.1 connection.
#
# Owns the socket and the few parts of HTTP that the Runtime API uses; it does not interpret
# bodies. A reply and the following request for the next invocation leave in one write: the server
# answers them in order, and the environment is ready for work one round trip earlier. A
# connection that the server closed while idle is opened again; any other failure ends the
# process, because an invocation whose fate is unknown must not be repeated.

# The native half alone: `require 'socket'` adds a layer of Ruby that costs 3 ms.
require 'socket.so'

module DormouseRuntime
  # The Runtime API refused a request or answered outside the protocol.
  class RuntimeApiError < StandardError; end

  # One event with what the platform says about it, in the form that a replaced marshaller expects.
  class Invocation
    attr_reader :request_id, :body

    def initialize(headers, body)
      @headers = headers
      @body = body
      @request_id = self['Lambda-Runtime-Aws-Request-Id']
    end

    # The header of that name, or nil.
    def [](name)
      @headers[name.downcase]
    end
  end

  # What is posted for an invocation: `outcome` is "response" or "error", `critical` says that the
  # process ends after it.
  Reply = Struct.new(:outcome, :body, :content_type, :error_type, :critical)

  # A client of the Runtime API at `address` (`host:port`).
  class Connection
    API = '/2018-06-01/runtime/'
    RECEIVE_BYTES = 65_536
    HEAD_BYTES_MAX = 4 * 1024 * 1024
    HEAD_END = "\r\n\r\n"

    # The Runtime API answers an oversize response so; the platform has already told the caller.
    PAYLOAD_TOO_LARGE = 413

    def initialize(address)
      host, _, port = address.rpartition(':')
      @peer = Socket.sockaddr_in(Integer(port), host)
      @host = "Host: #{address}\r\n"
      @next_request = "GET #{API}invocation/next HTTP/1.1\r\n#{@host}\r\n"
      @socket = nil
      @buffer = String.new(encoding: Encoding::BINARY)
    end

    # Waits for the next invocation, however long that takes.
    def next
      transmit(@next_request)
      receive_invocation
    end

    # Posts the reply, then waits like `next`.
    def reply(request_id, reply)
      transmit(head("invocation/#{request_id}/#{reply.outcome}", reply), reply.body, @next_request)
      expect_accepted
      receive_invocation
    end

    # Posts the reply; the caller ends the process.
    def last_reply(request_id, reply)
      transmit(head("invocation/#{request_id}/#{reply.outcome}", reply), reply.body)
      expect_accepted
    end

    # Reports that init failed; the caller ends the process.
    def post_init_error(reply)
      transmit(head('init/error', reply), reply.body)
      expect_accepted
    end

    private

    def head(path, reply)
      error = "Lambda-Runtime-Function-Error-Type: #{reply.error_type}\r\n" if reply.error_type
      "POST #{API}#{path} HTTP/1.1\r\n#{@host}Content-Type: #{reply.content_type}\r\n#{error}" \
        "Content-Length: #{reply.body.bytesize}\r\n\r\n"
    end

    def transmit(*parts)
      unless @socket
        @socket = Socket.new(Socket::AF_INET, Socket::SOCK_STREAM)
        @socket.connect(@peer)
        @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      end
      @socket.write(*parts)
    end

    def expect_accepted
      status, _, body = receive
      return if status / 100 == 2 || status == PAYLOAD_TOO_LARGE

      raise RuntimeApiError, "the Runtime API answered #{status} to a reply: #{body.byteslice(0, 500).scrub}"
    end

    def receive_invocation
      loop do
        status, headers, body = receive(idle: true)
        if status.nil?
          @socket = nil
          transmit(@next_request)
          next
        end
        raise RuntimeApiError, "the Runtime API answered #{status} to a next request" if status != 200

        return Invocation.new(headers, body)
      end
    end

    # Reads one response: status, headers by lower-case name, body. Nil if `idle` and the server
    # closed the connection before the first byte.
    def receive(idle: false)
      until (head_end = @buffer.index(HEAD_END))
        raise RuntimeApiError, 'the Runtime API sent an endless header' if @buffer.bytesize > HEAD_BYTES_MAX
        next if fill
        return nil if idle && @buffer.empty?

        raise RuntimeApiError, 'the Runtime API closed the connection'
      end
      first, *lines = @buffer.slice!(0, head_end + HEAD_END.bytesize).split("\r\n")
      headers = lines.to_h { |line| header(line) }
      [Integer(first.split(' ', 3)[1]), headers, receive_body(headers)]
    end

    def header(line)
      name, _, value = line.partition(':')
      [name.downcase, value.strip.force_encoding(Encoding::UTF_8).scrub]
    end

    def receive_body(headers)
      return receive_chunked if headers['transfer-encoding']&.downcase == 'chunked'

      receive_exactly(headers.fetch('content-length', '0').to_i)
    end

    def receive_exactly(size)
      while @buffer.bytesize < size
        raise RuntimeApiError, 'the Runtime API closed the connection within a body' unless fill
      end
      return @buffer.slice!(0, size) if @buffer.bytesize > size

      body = @buffer
      @buffer = String.new(encoding: Encoding::BINARY)
      body
    end

    def receive_chunked
      body = String.new(encoding: Encoding::BINARY)
      until (size = receive_line.to_i(16)).zero?
        body << receive_exactly(size)
        receive_line
      end
      nil until receive_line.empty? # trailers carry nothing that a runtime needs
      body
    end

    def receive_line
      until (line_end = @buffer.index("\r\n"))
        broken = @buffer.bytesize > HEAD_BYTES_MAX || !fill
        raise RuntimeApiError, 'the Runtime API broke off within a chunked body' if broken
      end
      @buffer.slice!(0, line_end + 2).chomp("\r\n")
    end

    # Reads what there is into the buffer; false at the end.
    def fill
      @buffer << @socket.readpartial(RECEIVE_BYTES)
      true
    rescue EOFError, Errno::ECONNRESET
      false
    end
  end
end
