# frozen_string_literal: true

# Handlers that succeed, and what they find around them.

puts 'loading basic'

$count = 0

def echo(event:, context:)
  event
end

def hello(event:, context:)
  { message: 'hello', name: event.fetch('name', 'world') }
end

def nothing(event:, context:); end

def counted(event:, context:)
  $count += 1
end

def any_keywords(**given)
  given.keys
end

def context_facts(event:, context:)
  {
    function_name: context.function_name,
    function_version: context.function_version,
    memory_limit_in_mb: context.memory_limit_in_mb,
    request_id_length: context.aws_request_id.length,
    arn_has_name: context.invoked_function_arn.end_with?(':function:fn'),
    log_group_name: context.log_group_name,
    log_stream_is_text: context.log_stream_name.is_a?(String),
    time_left: context.get_remaining_time_in_millis.between?(1, 900_000),
    deadline_is_ahead: context.deadline_ms > Time.now.to_f * 1000,
    identity: context.identity,
    client_context: context.client_context,
    tenant_id: context.tenant_id,
    class: context.class
  }
end

def client_context(event:, context:)
  context.client_context
end

def time_runs_down(event:, context:)
  first = context.get_remaining_time_in_millis
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 5
  Thread.pass while context.get_remaining_time_in_millis >= first && Process.clock_gettime(Process::CLOCK_MONOTONIC) < deadline
  context.get_remaining_time_in_millis < first
end

def environment(event:, context:)
  event.to_h { |name| [name, ENV[name]] }
end

def gem_paths(event:, context:)
  ENV['GEM_PATH'].split(':').map { |path| path.gsub(/\d+\.\d+/, 'X') }
end

def encodings(event:, context:)
  [Encoding.default_external, ENV.fetch('MINE').encoding, event.encoding, File.read(__FILE__).encoding].map(&:to_s)
end

def trace_is_set(event:, context:)
  ENV['_X_AMZN_TRACE_ID'].to_s.start_with?('Root=')
end

def process_facts(event:, context:)
  { directory: Dir.pwd == ENV['LAMBDA_TASK_ROOT'], on_load_path: $LOAD_PATH.include?(ENV['LAMBDA_TASK_ROOT']),
    arguments: ARGV, main: self.class.to_s, file: File.basename(__FILE__) }
end

def unicode_text(event:, context:)
  { text: "snöwman ☃ 🐍", echo: event }
end

# What code relies on without asking for it.
def loaded_already(event:, context:)
  [{ a: 1 }.to_json, JSON.parse('[1]'), Logger.name, StringIO.new('x').read]
end

module Outer
  class Inner
    def self.process(event:, context:)
      { class: name, event: event }
    end
  end

  def self.direct(event:, context:)
    'module method'
  end
end

class Handler
  def self.process(event:, context:)
    'class method'
  end

  def instance(event:, context:)
    'not reached'
  end
end
