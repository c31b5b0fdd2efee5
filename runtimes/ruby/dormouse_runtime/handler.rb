# frozen_string_literal: true

# From the handler setting (`file.method` or `file.Class.method`) to the call of the method.
#
# The class bears the name that Lambda's own runtime has for it: a method at the top level of a
# file is called on it, so error messages of a missing method show it.
class LambdaHandler
  attr_reader :handler_file_name, :handler_method_name

  def initialize(env_handler:)
    parts = env_handler.split('.')
    case parts.size
    when 2 then @handler_file_name, @handler_method_name = parts
    when 3 then @handler_file_name, @handler_class, @handler_method_name = parts
    else
      raise ArgumentError,
            "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where " \
            'FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional ' \
            'module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a ' \
            'class-level method.'
    end
  end

  # Calls the method as functions on Lambda are called: with two keyword arguments.
  def call_handler(request:, context:)
    target = @handler_class ? Kernel.const_get(@handler_class) : self
    target.__send__(@handler_method_name, event: request, context: context)
  end
end
