# frozen_string_literal: true

# The code of a gem.
module Greeter
  def self.greet(name)
    "hello, #{name}"
  end
end
