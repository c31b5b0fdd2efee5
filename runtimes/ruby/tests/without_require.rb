# frozen_string_literal: true

# Uses the logger without asking for the library, which Lambda has loaded.

def handler(event:, context:)
  Logger.new($stdout).info('not asked for')
end
