# frozen_string_literal: true

# Uses a gem that the package brings in vendor/bundle.

require 'greeter'

def handler(event:, context:)
  { greeting: Greeter.greet(event), gems: Gem.loaded_specs.key?('greeter') }
end
