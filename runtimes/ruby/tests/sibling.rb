# frozen_string_literal: true

# Uses its neighbours, as packages with more than one file do.

require 'basic'
require_relative 'values'

def handler(event:, context:)
  hello(event: event, context: context).merge(point: symbols(event: event, context: context)[:kind])
end
