# frozen_string_literal: true

# Handlers that fail, in every way that a handler can.

class OwnError < StandardError
  def initialize(code)
    super("code #{code}")
  end
end

$calls = 0

def argument_error(event:, context:)
  raise ArgumentError, 'boom'
end

def own_error(event:, context:)
  raise OwnError, 7
end

def plain_text(event:, context:)
  raise 'only text'
end

def no_message(event:, context:)
  raise ZeroDivisionError
end

def nested(event:, context:)
  inner
end

def inner
  1 / 0
end

def chained(event:, context:)
  inner
rescue ZeroDivisionError
  raise IOError, 'second'
end

def unicode_message(event:, context:)
  raise ArgumentError, "zażółć\nsecond line"
end

def binary_message(event:, context:)
  raise ArgumentError, "\xff\xfe"
end

class Unprintable < StandardError
  def message
    raise TypeError, 'no text'
  end
end

def unprintable(event:, context:)
  raise Unprintable
end

def recursive(event:, context:)
  recursive(event: event, context: context)
end

def positional(event, context)
  [event, context]
end

def other_keywords(event:)
  event
end

def missing_keyword(event:, context:, more:)
  more
end

def fails_once(event:, context:)
  $calls += 1
  raise ArgumentError, 'asked to' if event['fail']

  $calls
end

# Lambda's runtime ends after these; the next event finds a new process.
def broken_once(event:, context:)
  $calls += 1
  nil.absent if event['fail']
  $calls
end

def no_method(event:, context:)
  nil.upcase
end

def no_name(event:, context:)
  absent_name
end

def not_implemented(event:, context:)
  raise NotImplementedError, 'later'
end

def bare_exception(event:, context:)
  raise Exception, 'the root of all' # rubocop:disable Lint/RaiseException -- what is tested
end

def leaves(event:, context:)
  exit(3)
end

def aborts(event:, context:)
  abort('last words')
end

def leaves_at_once(event:, context:)
  puts 'last words'
  exit!(5)
end

def killed(event:, context:)
  Process.kill(:KILL, Process.pid)
  sleep
end

def thrown(event:, context:)
  throw :nothing_catches_this
end
