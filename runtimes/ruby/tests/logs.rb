# frozen_string_literal: true

# Everything that ends up in the log.

require 'logger'

LOGGER = Logger.new($stdout)
LOGGER.info('while loading')

def text(event:, context:)
  LOGGER.warn('watch out')
  LOGGER.debug { 'from a block' }
end

def named(event:, context:)
  Logger.new($stderr, progname: 'part').info('from a part')
end

def own_level(event:, context:)
  logger = Logger.new($stdout, level: Logger::ERROR)
  logger.warn('too low')
  logger.error('wanted')
end

def own_formatter(event:, context:)
  logger = Logger.new($stdout)
  logger.formatter = proc { |severity, _, _, message| "own #{severity} #{message}\n" }
  logger.info('text')
  logger.level
end

def own_time(event:, context:)
  Logger.new($stdout, datetime_format: 'at %Y').info('year only')
end

def elsewhere(event:, context:)
  io = StringIO.new
  Logger.new(io).info('kept apart')
  Logger.new(nil).error('for nobody')
  io.string.include?('-- : kept apart') && !io.string.include?(context.aws_request_id)
end

def levels(event:, context:)
  LOGGER.debug('too low')
  LOGGER.info('wanted')
  LOGGER.level
end

def exception(event:, context:)
  raise KeyError, 'absent'
rescue KeyError => error
  LOGGER.error(error)
end

def several_lines(event:, context:)
  LOGGER.info("first\nsecond")
end

def streams(event:, context:)
  puts 'to stdout'
  warn 'to stderr'
  print 'no line end'
  $stdout.puts "two\nlines"
  $stdout.write("bytes\n".b)
  p(event)
  'done'
end

def thread(event:, context:)
  Thread.new { LOGGER.error('from a thread') }.join
end

class Derived < Logger
  def initialize(*)
    super
    self.progname = 'derived'
  end
end

def derived(event:, context:)
  Derived.new($stdout).info('kin')
end
