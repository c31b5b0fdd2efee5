# frozen_string_literal: true

# Init and the invoke loop: the client of the Lambda Runtime API 2018-06-01.
#
# Owns the order of things: prepare the process, load the handler, then next, handle, reply, for
# ever; and which errors end the process. It is the only file that knows all the others. Files and
# libraries on the path to the first invoke are few, because loading them is most of what a cold
# start adds to a bare interpreter; the rest is loaded when it is first needed. Runs on Ruby 3.0
# and later.

require 'json'
require_relative 'connection'
require_relative 'context'
require_relative 'handler'
require_relative 'libraries'
require_relative 'marshaller'
require_relative 'records'

module DormouseRuntime
  # One execution environment, from the start of its process to its end.
  class Loop
    # Exit codes that Lambda's own runtime uses; the kernel keeps the lowest eight bits.
    INIT_FAILED = -4
    CRITICAL = -1

    # Replaces the process's life with that of an execution environment.
    def self.run(environ)
      # The locale that only the interpreter's start needed; see manifest.toml.
      environ.delete('LC_CTYPE') if environ['LC_CTYPE'] == 'C.UTF-8'
      $stdout.sync = true
      Records.open(environ)
      Libraries.install
      new(environ).run
    end

    def initialize(environ)
      @environ = environ
      @connection = Connection.new(environ.fetch('AWS_LAMBDA_RUNTIME_API'))
      @setting = environ.fetch('_HANDLER')
    end

    def run
      handler = load_handler
      invocation = waiting { @connection.next }
      loop do
        publish(invocation)
        reply = invoke(handler, invocation)
        leave(invocation, reply) if reply.critical
        invocation = waiting { @connection.reply(invocation.request_id, reply) }
      end
    end

    private

    def load_handler
      root = @environ.fetch('LAMBDA_TASK_ROOT', Dir.pwd)
      $LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
      handler = LambdaHandler.new(env_handler: @setting)
      require handler.handler_file_name
      handler
    rescue Exception => error # rubocop:disable Lint/RescueException -- SyntaxError and exit count too
      fail_init(error)
    end

    def fail_init(error)
      require_relative 'faults'
      fault = Fault.new(error, 'Init')
      fault.log("Init error when loading handler #{@setting}")
      @connection.post_init_error(fault.reply)
      exit(INIT_FAILED)
    end

    # Being told to stop while nothing is running is no failure.
    def waiting
      yield
    rescue SignalException
      exit(0)
    end

    def publish(invocation)
      # Lambda's runtime keeps the id in this variable; logging libraries read it there.
      $_global_aws_request_id = invocation.request_id
      trace_id = invocation['Lambda-Runtime-Trace-Id']
      if trace_id
        @environ['_X_AMZN_TRACE_ID'] = trace_id
      else
        @environ.delete('_X_AMZN_TRACE_ID')
      end
    end

    # Runs the handler once.
    def invoke(handler, invocation)
      event = AwsLambda::Marshaller.marshall_request(invocation)
      result = handler.call_handler(request: event, context: LambdaContext.new(invocation))
      # A function may replace the marshaller, and may leave the content type out.
      body, content_type = AwsLambda::Marshaller.marshall_response(result)
      body = body.read if content_type == 'application/unknown' && body.respond_to?(:read)
      Reply.new('response', String(body), content_type || 'application/json')
    rescue Exception => error # rubocop:disable Lint/RescueException -- nothing may lose a reply
      require_relative 'faults'
      fault = Fault.new(error, 'Function')
      fault.log(fault.critical? ? 'Critical exception from handler' : 'Error raised from handler method')
      fault.reply
    end

    # Lambda's runtime ends after an error that shows broken code; the next event gets a new process.
    def leave(invocation, reply)
      @connection.last_reply(invocation.request_id, reply)
      exit(CRITICAL)
    end
  end
end
