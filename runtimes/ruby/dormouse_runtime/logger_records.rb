# frozen_string_literal: true

# Lambda's form of the records of `Logger`. Loaded right after the library itself.
#
# Loggers on standard output or standard error write text with the request id in it, or JSON
# objects where the function's log format says so, from the function's log level on. Loggers on
# anything else, with a formatter or with a level of their own keep them.
# Source: AWS Lambda Developer Guide, "Log and monitor Ruby Lambda functions".

module DormouseRuntime
  # A formatted record that remembers its severity on the way to the device.
  class Record < String
    attr_accessor :level
  end

  # `I, [2026-01-01T12:00:00.000000 #8]  INFO REQUEST-ID -- name: text`
  class TextFormatter < ::Logger::Formatter
    LINE = "%s, [%s #%d] %5s %s -- %s: %s\n"

    def call(severity, time, progname, msg)
      line = format(LINE, severity[0..0], format_datetime(time), Process.pid, severity,
                    $_global_aws_request_id, progname, msg2str(msg))
      Record.new(line).tap { |record| record.level = severity.to_sym }
    end
  end

  # One JSON object per record; absent fields are left out.
  class JsonFormatter < ::Logger::Formatter
    def call(severity, time, progname, msg)
      failed = msg.is_a?(Exception)
      record = {
        timestamp: Records.timestamp(time),
        level: severity,
        message: utf8(failed ? msg.message : msg2str(msg)),
        logger: progname && utf8(progname),
        requestId: $_global_aws_request_id
      }
      record.merge!(exception_fields(msg)) if failed
      Record.new("#{JSON.generate(record.compact)}\n").tap { |line| line.level = severity.to_sym }
    end

    private

    def exception_fields(error)
      trace = Array(error.backtrace).map { |line| utf8(line) }
      { errorType: error.class.to_s, errorMessage: utf8(error.message), stackTrace: trace,
        location: location(trace.first) }
    end

    # `file:method:line` of where it was raised.
    def location(frame)
      parts = /\A(?<file>.+):(?<line>\d+):in [`'](?<method>.+)'\z/.match(frame.to_s)
      parts ? "#{parts[:file]}:#{parts[:method]}:#{parts[:line]}" : frame
    end

    def utf8(value)
      value.to_s.encode(Encoding::UTF_8, invalid: :replace, undef: :replace)
    end
  end

  # Where loggers on the standard streams write.
  class Device
    def write(message)
      ours = message.is_a?(Record)
      Records.write(message, ours ? message.level : nil, json: ours && Records.json?)
    end

    def close; end

    def reopen(*)
      self
    end
  end

  # Prepended to `Logger`.
  module LoggerDefaults
    # Lambda's levels, of which Ruby has no lowest one.
    LEVELS = { 'TRACE' => :debug, 'DEBUG' => :debug, 'INFO' => :info, 'WARN' => :warn, 'ERROR' => :error,
               'FATAL' => :fatal }.freeze

    def initialize(logdev = nil, *arguments, **options)
      standard = logdev && [$stdout, $stderr, STDOUT, STDERR].any? { |stream| stream.equal?(logdev) }
      return super unless standard

      level = LEVELS[ENV['AWS_LAMBDA_LOG_LEVEL'].to_s.upcase]
      options[:level] = level if level && !options.key?(:level)
      super(Device.new, *arguments, **options)
      @default_formatter = Records.json? ? JsonFormatter.new : TextFormatter.new
      @default_formatter.datetime_format = options[:datetime_format]
    end
  end

  ::Logger.prepend(LoggerDefaults)
end
