# frozen_string_literal: true

# The way from a finished log record to the platform.
#
# By default a record is text on standard output, which the platform splits into lines. Where the
# platform passed a descriptor for frames, each record is one frame and keeps its line breaks: a
# four-byte type, a four-byte length, an eight-byte time in microseconds, then the message, all
# big-endian. This is the protocol that Lambda's own runtime clients speak. There `puts` writes
# frames too, as it does on Lambda.

module DormouseRuntime
  # The log of the environment; one for the process.
  module Records
    FRAME_JSON = 0xa55a0002
    FRAME_TEXT = 0xa55a0003

    # Added to a frame's type.
    FRAME_LEVELS = { DEBUG: 0x08, INFO: 0x0c, WARN: 0x10, ERROR: 0x14, FATAL: 0x18 }.freeze

    class << self
      # Reads the log settings, which Lambda fixes before the process starts.
      def open(environ)
        @json = environ['AWS_LAMBDA_LOG_FORMAT'].to_s.casecmp?('JSON')
        descriptor = environ.delete('_LAMBDA_TELEMETRY_LOG_FD').to_s
        return if descriptor.empty?

        @frames = IO.for_fd(Integer(descriptor), 'wb', autoclose: false)
        @frames.sync = true
        frame_puts
      end

      # Whether records are JSON objects.
      def json?
        @json
      end

      # Writes `message`, which ends its own lines, as one record. `level` is a key of FRAME_LEVELS.
      def write(message, level = nil, json: @json)
        return $stdout.write(message) unless @frames

        type = (json ? FRAME_JSON : FRAME_TEXT) | FRAME_LEVELS.fetch(level, 0)
        micros = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
        @frames.write([type, message.bytesize, micros].pack('L>L>Q>') << message.b)
      end

      # Writes `message` as one record that ends its line.
      def puts(message, level = nil)
        write("#{message}\n", level)
      end

      # `time` as JSON records have it.
      def timestamp(time)
        time.getutc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ')
      end

      private

      def frame_puts
        records = self
        Kernel.define_method(:puts) do |*values|
          records.write("#{values.flatten.join("\n")}\n", json: false)
          nil
        end
        Kernel.__send__(:private, :puts)
      end
    end
  end
end
