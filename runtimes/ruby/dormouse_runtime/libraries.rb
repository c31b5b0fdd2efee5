# frozen_string_literal: true

# What functions find loaded on Lambda, brought in at the moment that they use it.
#
# The interpreter is started without RubyGems, which takes five times as long to load as everything else
# together. It is loaded when a file is required that the load path does not hold, or when code
# names `Gem` or calls `gem`; from then on its own `require` is in charge, and gems of the
# function and its layers are found (GEM_PATH). `Logger` gets Lambda's form of records as soon as it is loaded.

module DormouseRuntime
  # The hook in `Kernel#require`.
  module Libraries
    LOGGER = %r{(\A|/)logger(\.rb)?\z}

    class << self
      def install
        hook_require
        hook_gems unless gems?
        Object.autoload(:Logger, 'logger')
        Object.autoload(:StringIO, 'stringio')
      end

      # Whether RubyGems is loaded; naming `Gem` would load it.
      def gems?
        Object.const_defined?(:Gem) && !Object.autoload?(:Gem)
      end

      # Loads RubyGems, and finishes what a caller began without it. `Kernel#require` is its own from now on.
      def load_gems
        require 'rubygems'
      end

      def loaded(path)
        require_relative 'logger_records' if LOGGER.match?(path.to_s)
      end

      private

      def hook_require
        plain = Kernel.instance_method(:require)
        libraries = self
        Kernel.define_method(:require) do |path|
          plain.bind_call(self, path).tap { |fresh| libraries.loaded(path) if fresh }
        rescue LoadError => error
          raise if libraries.gems? || error.path != path

          libraries.load_gems
          Kernel.instance_method(:require).bind_call(self, path)
        end
        Kernel.__send__(:private, :require)
      end

      def hook_gems
        Object.autoload(:Gem, 'rubygems')
        libraries = self
        Kernel.define_method(:gem) do |*arguments|
          libraries.load_gems
          Kernel.instance_method(:gem).bind_call(self, *arguments)
        end
        Kernel.__send__(:private, :gem)
      end
    end
  end
end
