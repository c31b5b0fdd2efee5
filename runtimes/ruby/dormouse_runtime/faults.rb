# frozen_string_literal: true

# Error documents and their log records. Loaded when the first error happens.
#
# A document has the three fields of Lambda's Ruby runtime. Function code can raise anything:
# nothing here may fail on a strange exception.

module DormouseRuntime
  # An exception of function code as the Runtime API and the log show it.
  class Fault
    TRACE_FRAMES_MAX = 100
    OWN_FOLDER = "#{File.dirname(__dir__)}/"

    # The only classes whose names leave the function; for others the platform is told that it
    # was an exception of the user's.
    NAMED = %w[
      ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit SystemStackError
    ].freeze

    # `origin` is "Init" or "Function".
    def initialize(error, origin)
      @origin = origin
      @error = error
      @kind = error.class.to_s
      @document = {
        errorMessage: Fault.text { error.message },
        errorType: "#{origin}<#{@kind}>",
        stackTrace: trace(error)
      }
    end

    # Whether Lambda's runtime ends its process after such an error: code that is broken rather
    # than a function that failed.
    def critical?
      !@error.is_a?(StandardError) || @error.is_a?(NameError)
    end

    def reply
      type = NAMED.include?(@kind) ? "#{@origin}<#{@kind}>" : 'Function<UserException>'
      Reply.new('error', JSON.generate(@document), 'application/json', type, critical?)
    end

    # Writes the error to the log under a title, in the function's log format.
    def log(title)
      return Records.puts("#{title}\n#{JSON.pretty_generate(@document)}", :ERROR) unless Records.json?

      record = { timestamp: Records.timestamp(Time.now), level: 'ERROR', message: title,
                 requestId: $_global_aws_request_id, **@document }
      Records.puts(JSON.generate(record.compact), :ERROR)
    end

    # What the block gives, as text that JSON can hold.
    def self.text
      text = String(yield)
      text = text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace) unless text.encoding == Encoding::BINARY
      text.dup.force_encoding(Encoding::UTF_8).scrub
    rescue StandardError
      '' # An exception whose message fails must still be reported.
    end

    private

    def trace(error)
      frames = (error.backtrace || []).first(TRACE_FRAMES_MAX).map { |frame| Fault.text { frame } }
      frames.reject { |frame| frame.start_with?(OWN_FOLDER) }
    rescue StandardError
      []
    end
  end
end
