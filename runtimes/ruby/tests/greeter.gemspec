# frozen_string_literal: true

# As RubyGems stores the description of a gem that is installed.
Gem::Specification.new do |spec|
  spec.name = 'greeter'
  spec.version = '1.2.0'
  spec.summary = 'Greets'
  spec.authors = ['Dormouse']
  spec.files = ['lib/greeter.rb']
  spec.require_paths = ['lib']
end
