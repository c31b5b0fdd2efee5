# frozen_string_literal: true

# A file whose dependency was forgotten.

require 'a_gem_that_nobody_has'

def handler(event:, context:)
  event
end
